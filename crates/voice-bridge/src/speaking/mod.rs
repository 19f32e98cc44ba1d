//! Who speaks on the other side, told to the people of a call.
//!
//! Packets of the other bridge are marked with ids of those who speak in them, and the engine of the room hands that on to
//! whoever hears the packets. A [`Tracker`] makes of it what is worth telling, and when; [`Speaking`] waits for it.
//! What it looks like on the wire is in [`event`].

pub mod event;
mod listener;
mod tracker;

use std::sync::Arc;

use bridge_kit::channel::{Avatar, Person, SpeakerId};

pub(crate) use self::listener::Speaking;
pub use self::tracker::Tracker;

/// The most who are told of at a time; who is beyond that is left out.
const MOST: usize = 16;

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The other side's id of him.
    pub id: String,
    /// What he is called there.
    pub name: Option<String>,
    /// Where his picture is.
    pub avatar: Option<String>,
}

/// Those who may speak on the other side, and what stands for them in packets. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Speakers(Arc<[(SpeakerId, Speaker)]>);

impl Speakers {
    /// Of these people those whose voices are marked.
    pub fn of(people: &[Person]) -> Self {
        let speakers = people.iter().filter_map(|person| {
            let speaker = Speaker {
                id: person.id.as_str().to_owned(),
                name: person.name.clone(),
                avatar: person.avatar.as_ref().map(|avatar| Avatar::as_str(avatar).to_owned()),
            };
            Some((person.speaker?, speaker))
        });
        Self(speakers.collect())
    }

    /// Those who are marked with these bits.
    fn marked(&self, bits: u64) -> Vec<Speaker> {
        let marked = self.0.iter().filter(|(id, _)| bits & id.bit() != 0);
        marked.map(|(_, speaker)| speaker.clone()).take(MOST).collect()
    }
}
