//! One person: what reaches him, and what he makes of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::encryption::{Encryption, Spoken};
use crate::{
    control::types::{HeardSpeaker, Protection},
    counters::Counters,
    snowflake::Snowflake,
    voice::{
        dave::{FromMember, ToMember},
        ears::Ears,
        frames::{Arrival, is_silence},
        recording::Recording,
    },
};

/// Deliveries that wait; more come only if nobody has had time for a person for a long while.
const INBOX: usize = 100_000;

/// Something that reaches a person, in order.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// He joins a call that speaks this version of DAVE.
    Enter { channel: Snowflake, version: u16 },
    /// He leaves it.
    Leave,
    /// About the call's encryption.
    Group(ToMember),
    /// Somebody said something.
    Frame(Arrival),
}

/// A person of the guild.
///
/// Deliveries only wait in the inbox, so that whoever forwards voice is not held up by a person's cryptography. They are
/// taken in by [`Person::catch_up`], which a thread does all the time and everyone does who wants to know what was heard.
#[derive(Debug)]
pub(crate) struct Person {
    user: Snowflake,
    counters: Arc<Counters>,
    inbox: Mutex<VecDeque<Delivery>>,
    mind: Mutex<Mind>,
}

#[derive(Debug, Default)]
struct Mind {
    encryption: Option<Encryption>,
    ears: Ears,
    /// Since he joined.
    heard: BTreeMap<Snowflake, HeardSpeaker>,
}

impl Person {
    pub(crate) fn new(user: Snowflake, counters: Arc<Counters>) -> Self {
        Self {
            user,
            counters,
            inbox: Mutex::default(),
            mind: Mutex::default(),
        }
    }

    /// Leaves something for him; false when his inbox is full.
    pub(crate) fn deliver(&self, delivery: Delivery) -> bool {
        let mut inbox = self.inbox.lock();
        let room = inbox.len() < INBOX;
        if room {
            inbox.push_back(delivery);
        }
        room
    }

    pub(crate) fn has_mail(&self) -> bool {
        !self.inbox.lock().is_empty()
    }

    /// Takes in all that has reached him; `answer` is called with what he says to the gateway.
    pub(crate) fn catch_up(&self, now_ns: u64, mut answer: impl FnMut(FromMember)) {
        let mut mind = self.mind.lock();
        loop {
            let next = self.inbox.lock().pop_front();
            let Some(delivery) = next else {
                return;
            };
            mind.take_in(self, delivery, now_ns).into_iter().for_each(&mut answer);
        }
    }

    /// Encrypts what he says.
    pub(crate) fn encrypt(&self, opus: &[u8]) -> Spoken {
        let mut mind = self.mind.lock();
        mind.encryption
            .as_mut()
            .map_or(Spoken::Unsaid, |encryption| encryption.encrypt(opus))
    }

    /// Begins to record what he hears.
    pub(crate) fn record(&self, now_ns: u64) {
        self.mind.lock().ears.recording = Some(Recording::start(now_ns));
    }

    /// Gives a page what he hears from now on.
    pub(crate) fn listen(&self) -> mpsc::Receiver<Arrival> {
        self.mind.lock().ears.listen()
    }

    /// Reads, or with `f` changes, his recording; `None` when there is none.
    pub(crate) fn recording<T>(&self, f: impl FnOnce(&mut Recording) -> T) -> Option<T> {
        self.mind.lock().ears.recording.as_mut().map(f)
    }

    /// Frames that he has no key for, by himself and the speaker.
    pub(crate) fn undecrypted(&self) -> Vec<((Snowflake, Snowflake), u64)> {
        let mind = self.mind.lock();
        let counts = mind.heard.iter();
        counts
            .map(|(speaker, heard)| ((self.user, *speaker), heard.undecrypted))
            .collect()
    }

    /// What he made of the frames of everyone whom he heard.
    pub(crate) fn heard(&self) -> Vec<HeardSpeaker> {
        self.mind.lock().heard.values().cloned().collect()
    }
}

impl Mind {
    fn take_in(&mut self, person: &Person, delivery: Delivery, now_ns: u64) -> Vec<FromMember> {
        match delivery {
            Delivery::Enter { channel, version } => {
                let (encryption, answers) = Encryption::enter(person.user, channel, version);
                self.encryption = Some(encryption);
                self.heard.clear();
                answers
            }
            Delivery::Leave => {
                self.encryption = None;
                Vec::new()
            }
            Delivery::Group(message) => {
                let encryption = self.encryption.as_mut();
                encryption.map_or_else(Vec::new, |encryption| encryption.handle(message, now_ns))
            }
            Delivery::Frame(arrival) => {
                self.hear(arrival, &person.counters);
                Vec::new()
            }
        }
    }

    fn hear(&mut self, mut arrival: Arrival, counters: &Counters) {
        let Some(encryption) = &mut self.encryption else {
            return;
        };
        let (protection, opus) = encryption.decrypt(arrival.user, &arrival.payload, arrival.at_ns);
        let counts = self.heard.entry(arrival.user).or_insert_with(|| HeardSpeaker {
            user_id: arrival.user.to_string(),
            ..HeardSpeaker::default()
        });
        match protection {
            Protection::Encrypted => counts.decrypted += 1,
            Protection::Undecrypted => counts.undecrypted += 1,
            Protection::Plain if is_silence(&arrival.payload) => counts.silence += 1,
            Protection::Plain => counts.plain += 1,
            Protection::Off => {}
        }
        arrival.protection = protection;
        arrival.opus = opus;
        if !self.ears.hear(&arrival) {
            counters.count("page_reads_slowly");
        }
    }
}
