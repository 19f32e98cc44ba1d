//! The voice of a guild: sessions, calls, and the forwarding of voice.

mod calls;
pub(crate) mod crypto;
pub(crate) mod dave;
pub(crate) mod ears;
mod forward;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod groups;
pub(crate) mod hearing;
pub(crate) mod impairment;
mod member;
pub(crate) mod network;
pub(crate) mod protocol;
pub(crate) mod recording;
mod refusals;
mod ring;
pub(crate) mod rtp;
pub(crate) mod server;
mod sessions;
pub(crate) mod tls;
pub(crate) mod udp;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    clock::Clock,
    control::types::{Call, Frames, HeardSpeaker, RingStretch, VoiceConnection, VoiceRefusal},
    counters::Counters,
    people::person::Person,
    snowflake::Snowflake,
};
use dave::{Group, Proposer};
use frames::FrameLog;
use groups::Alarm;
use member::{Counts, Member};
use network::Network;
use recording::Recording;
use refusals::Refusals;
use server::VoiceServer;

/// Frames kept of what each member sent.
const SENT_KEPT: usize = 100_000;
/// Frames that one answer of the control interface holds.
const FRAMES_ANSWERED: usize = 20_000;

/// The voice of a guild. All methods may be called from any thread and none blocks for long.
#[derive(Debug)]
pub(crate) struct Voice {
    /// Whose voice it is.
    guild: Snowflake,
    clock: Clock,
    counters: Arc<Counters>,
    /// The server of the moment: where members are placed.
    server: Mutex<Arc<VoiceServer>>,
    network: Network,
    refusals: Mutex<Refusals>,
    proposer: Arc<Proposer>,
    calls: Mutex<Calls>,
    /// Wakes the thread that tends groups and people.
    alarm: Alarm,
}

#[derive(Debug, Default)]
struct Calls {
    members: HashMap<Snowflake, Member>,
    groups: HashMap<Snowflake, Group>,
    /// What each member sent; outlives his stay in a channel.
    mouths: HashMap<Snowflake, FrameLog>,
    /// Everyone who ever joined and is no bot; they remember what they heard.
    people: HashMap<Snowflake, Arc<Person>>,
    last_ssrc: u32,
}

/// What the control interface shows of a member.
#[derive(Debug)]
pub(crate) struct MemberView {
    pub(crate) ssrc: u32,
    pub(crate) speaking: bool,
    pub(crate) rings: Vec<RingStretch>,
    pub(crate) connection: Option<VoiceConnection>,
    pub(crate) counts: Counts,
    pub(crate) heard: Vec<HeardSpeaker>,
}

impl Voice {
    /// The voice of one guild, on its first server.
    pub(crate) fn new(
        guild: Snowflake,
        server: Arc<VoiceServer>,
        clock: Clock,
        counters: Arc<Counters>,
        proposer: Proposer,
    ) -> Self {
        Self {
            guild,
            clock,
            counters,
            server: Mutex::new(server),
            network: Network::default(),
            refusals: Mutex::default(),
            proposer: Arc::new(proposer),
            calls: Mutex::default(),
            alarm: Alarm::default(),
        }
    }

    /// The server of the moment.
    pub(crate) fn server(&self) -> Arc<VoiceServer> {
        Arc::clone(&self.server.lock())
    }

    /// Puts another server in its place and returns the one before.
    pub(crate) fn replace_server(&self, server: Arc<VoiceServer>) -> Arc<VoiceServer> {
        std::mem::replace(&mut self.server.lock(), server)
    }

    /// Refuses a bot's identifies from now on; `None` ends that.
    pub(crate) fn refuse_identifies(&self, user: Snowflake, refusal: Option<VoiceRefusal>) {
        let mut refusals = self.refusals.lock();
        match refusal {
            Some(refusal) => refusals.set(user, refusal),
            None => refusals.clear(user),
        }
    }

    /// What the control interface shows of a member.
    pub(crate) fn view(&self, user: Snowflake) -> Option<MemberView> {
        let now = self.clock.now_ns();
        let heard = self.attentive(user).map(|person| person.heard()).unwrap_or_default();
        let mut calls = self.calls.lock();
        let Calls { members, groups, .. } = &mut *calls;
        let member = members.get_mut(&user)?;
        member.ring.settle(now);
        let version = groups.get(&member.channel).map_or(0, Group::version_in_use);
        let connection = member.client.as_ref().map(|client| VoiceConnection {
            version: client.framing.version().number(),
            mode: client
                .transport
                .as_ref()
                .map(|transport| transport.mode().name().to_owned()),
            dave_protocol_version: version,
            max_dave_protocol_version: client.dave,
            address: client.address,
            websocket: client.out.is_some(),
        });
        Some(MemberView {
            ssrc: member.ssrc,
            speaking: member.ring.is_lit(),
            rings: member.ring.history(),
            connection,
            counts: member.counts,
            heard,
        })
    }

    /// What the control interface shows of a channel's encryption; `None` while nobody is there.
    pub(crate) fn call(&self, channel: Snowflake) -> Option<Call> {
        self.calls.lock().groups.get(&channel).map(Group::view)
    }

    /// Frames that a member sent.
    pub(crate) fn sent(&self, user: Snowflake, since: u64) -> Frames {
        let calls = self.calls.lock();
        let (frames, next) = calls
            .mouths
            .get(&user)
            .map_or_else(|| (Vec::new(), since), |log| log.since(since, FRAMES_ANSWERED));
        Frames { frames, next }
    }

    /// Begins to record what a person hears; returns the time of sample zero.
    pub(crate) fn record(&self, user: Snowflake) -> u64 {
        let person = self.calls.lock().person(user, &self.counters);
        self.attend(user, &person);
        let now = self.clock.now_ns();
        person.record(now);
        now
    }

    /// Reads, or with `f` changes, a person's recording; `None` when there is none.
    pub(crate) fn recording<T>(&self, user: Snowflake, f: impl FnOnce(&mut Recording, u64) -> T) -> Option<T> {
        let person = self.attentive(user)?;
        let now = self.clock.now_ns();
        person.recording(|recording| f(recording, now))
    }

    /// Frames that a person heard since his recording began.
    pub(crate) fn heard(&self, user: Snowflake, since: u64) -> Option<Frames> {
        self.recording(user, |recording, _| {
            let (frames, next) = recording.log().since(since, FRAMES_ANSWERED);
            Frames { frames, next }
        })
    }

    /// A person, when he has taken in everything that has reached him.
    fn attentive(&self, user: Snowflake) -> Option<Arc<Person>> {
        let person = self.calls.lock().people.get(&user).cloned()?;
        self.attend(user, &person);
        Some(person)
    }

    /// Forgets everything of a user who left the guild.
    pub(crate) fn forget(&self, user: Snowflake) {
        let mut calls = self.calls.lock();
        calls.mouths.remove(&user);
        calls.people.remove(&user);
    }
}
