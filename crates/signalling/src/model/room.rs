//! The control room: what is on its way in it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::who::Who;
use crate::{Body, Event};

/// An event on its way to one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) to: Who,
    pub(super) event: Arc<Event>,
    /// The hash of both, since letters are compared again and again.
    digest: u64,
}

impl Letter {
    pub(super) fn new(to: Who, event: Event) -> Self {
        let mut hasher = DefaultHasher::new();
        (to, &event).hash(&mut hasher);
        Self {
            to,
            event: Arc::new(event),
            digest: hasher.finish(),
        }
    }
}

impl Hash for Letter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.event.header.transaction_id.as_str().trim_start_matches('0');
        let kind = self.event.kind().trim_start_matches("vdp.channel.");
        write!(f, "{kind} of call {call}")?;
        match &self.event.body {
            Body::Request(request) => write!(f, " after epoch {}", request.after_epoch),
            Body::Offer(offer) => write!(f, " for epoch {}", offer.channel.epoch),
            Body::Accept(accept) => write!(f, " for epoch {}", accept.channel.epoch),
            Body::Broken(broken) => write!(f, " for epoch {} ({})", broken.channel.epoch, broken.reason),
            Body::Reject(refusal) => write!(f, " ({})", refusal.reason),
            Body::People(people) => write!(f, " ({})", people.len()),
            Body::Audience(channel, _) => write!(f, " for epoch {}", channel.epoch),
            Body::Close(close) => write!(f, " ({})", close.reason),
        }
    }
}

/// What is on its way, in an order that means nothing: equal rooms hold the same, however it came about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Room(Vec<Letter>);

impl Room {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(&mut self, letter: Letter) {
        let at = self.0.partition_point(|other| other.digest < letter.digest);
        self.0.insert(at, letter);
    }

    /// Takes one letter like this out.
    pub(super) fn take(&mut self, letter: &Letter) {
        if let Some(at) = self.0.iter().position(|other| other == letter) {
            self.0.remove(at);
        }
    }

    /// The letters, equal ones once.
    pub(super) fn letters(&self) -> impl Iterator<Item = &Letter> {
        let before = std::iter::once(None).chain(self.0.iter().map(Some));
        let news = self
            .0
            .iter()
            .zip(before)
            .filter(|(letter, before)| Some(*letter) != *before);
        news.map(|(letter, _)| letter)
    }
}
