//! Who hears whom: frames counted for each listener and speaker.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    Calls, Voice,
    frames::{Arrival, Track},
};
use crate::snowflake::Snowflake;

/// What one member heard of another since both are in the call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: u64,
    /// Sequence numbers missing inside talk spurts.
    pub(crate) lost: u64,
    /// Those among the frames that a person has no key for; nobody knows that of a bot.
    pub(crate) undecrypted: u64,
    track: Track,
}

/// What a listener heard, by speaker.
#[derive(Debug, Default)]
pub(super) struct Hearing(BTreeMap<Snowflake, Heard>);

impl Hearing {
    /// Counts a frame that reached the listener.
    pub(super) fn count(&mut self, arrival: &Arrival) {
        let heard = self.0.entry(arrival.user).or_default();
        let (frame, _) = heard.track.place(arrival.clone());
        heard.frames += 1;
        heard.lost += u64::from(frame.lost_before);
    }

    /// Forgets a speaker who has left.
    pub(super) fn forget(&mut self, speaker: Snowflake) {
        self.0.remove(&speaker);
    }
}

/// What a page shows of a member.
#[derive(Debug)]
pub(crate) struct Glimpse {
    pub(crate) speaking: bool,
    pub(crate) frames_sent: u64,
    pub(crate) heard: BTreeMap<Snowflake, Heard>,
}

impl Voice {
    /// All members at a glance.
    pub(crate) fn glimpses(&self) -> HashMap<Snowflake, Glimpse> {
        let undecrypted = self.undecrypted();
        let now = self.clock.now_ns();
        let mut calls = self.calls.lock();
        let Calls { members, .. } = &mut *calls;
        let glimpse = |(user, member): (&Snowflake, &mut super::Member)| {
            member.ring.settle(now);
            let mut heard = member.hearing.0.clone();
            for (speaker, heard) in &mut heard {
                heard.undecrypted = undecrypted.get(&(*user, *speaker)).copied().unwrap_or_default();
            }
            let glimpse = Glimpse {
                speaking: member.ring.is_lit(),
                frames_sent: member.counts.frames_sent,
                heard,
            };
            (*user, glimpse)
        };
        members.iter_mut().map(glimpse).collect()
    }

    /// Frames without a key, by listener and speaker.
    fn undecrypted(&self) -> HashMap<(Snowflake, Snowflake), u64> {
        let people: Vec<_> = self.calls.lock().people.values().map(Arc::clone).collect();
        people.iter().flat_map(|person| person.undecrypted()).collect()
    }
}
