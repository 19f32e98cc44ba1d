//! The state of the model: both bridges, the room between them, and what may still go wrong.

use std::fmt;
use std::net::SocketAddr;

use super::room::Room;
use super::who::Who;
use crate::{Answerer, Asker, ChannelRecord, Connection, End, Extensions, KeyShare, Machine, Phase};

/// How often each thing may still go wrong, or be wanted by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    /// Events that are lost.
    pub(super) losses: u8,
    /// Events that arrive twice.
    pub(super) duplicates: u8,
    /// A side is killed, and started again.
    pub(super) asker_crashes: u8,
    pub(super) answerer_crashes: u8,
    /// A link that works goes dead, until the next epoch.
    pub(super) cuts: u8,
    /// A timer fires, or silence is noticed, while something is on its way.
    pub(super) early_timers: u8,
    /// The answering side is thrown out of its voice channel.
    pub(super) voice_losses: u8,
    /// The voice channel cannot be entered at the moment.
    pub(super) hitches: u8,
    /// A program ends the channel.
    pub(super) ends: u8,
}

impl Faults {
    pub(super) const NONE: Self = Self {
        losses: 0,
        duplicates: 0,
        asker_crashes: 0,
        answerer_crashes: 0,
        cuts: 0,
        early_timers: 0,
        voice_losses: 0,
        hitches: 0,
        ends: 0,
    };

    /// All but what ends the channel.
    pub(super) fn are_used_up(self) -> bool {
        Self { ends: 0, ..self } == Self::NONE
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = [
            (self.losses, "lost"),
            (self.duplicates, "doubled"),
            (self.asker_crashes, "crash of the asking side"),
            (self.answerer_crashes, "crash of the answering side"),
            (self.cuts, "cut link"),
            (self.early_timers, "early timer"),
            (self.voice_losses, "lost voice channel"),
            (self.hitches, "hitch in entering it"),
            (self.ends, "end"),
        ];
        let wanted = faults.iter().filter(|(times, _)| *times > 0);
        let words: Vec<_> = wanted.map(|(times, fault)| format!("{times} {fault}")).collect();
        f.write_str(&words.join(", "))
    }
}

/// One end of the voice path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) heard: bool,
    pub(super) cut: bool,
}

impl Link {
    pub(super) const fn epoch(&self) -> u32 {
        self.connection.channel.epoch
    }

    /// Links with other transcripts have other keys.
    pub(super) fn transcript(&self) -> Option<[u8; 32]> {
        self.connection.seal.map(|seal| seal.transcript)
    }
}

/// What a bridge holds beside its machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Shell {
    pub(super) crashes: u8,
    pub(super) link: Option<Link>,
}

impl Shell {
    /// An end that no other bridge, life and epoch has.
    pub(super) fn end(&self, who: Who, epoch: u32) -> End {
        let side = match who {
            Who::Asker => 1,
            Who::Answerer => 2,
        };
        let mut share = [0; 32];
        share[..4].copy_from_slice(&epoch.to_be_bytes());
        share[4..6].copy_from_slice(&[side, self.crashes]);
        let port = u16::try_from(epoch).expect("few epochs");
        End {
            address: SocketAddr::from(([127, 0, side, self.crashes], port)),
            share: Some(KeyShare(share)),
            extensions: Extensions::ALL,
        }
    }
}

/// Why there is no channel any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    Ended(Who),
    Refused,
    GaveUp(Who),
    /// The asking side crashed, and its call does not go on.
    CallLost,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any of them may hold with any other"
)]
pub(super) struct Bridges {
    /// None where there is no call, or not yet again.
    pub(super) asker: Option<Asker>,
    pub(super) answerer: Answerer,
    pub(super) asker_shell: Shell,
    pub(super) answerer_shell: Shell,
    /// The asking side was restarted, and its call may go on.
    pub(super) resuming: bool,
    /// What it then found recorded.
    pub(super) before: Option<ChannelRecord>,
    /// The answering side is finding out whether the room may have a channel.
    pub(super) admitting: bool,
    pub(super) room: Room,
    /// In the room's state.
    pub(super) record: Option<ChannelRecord>,
    pub(super) left: Faults,
    /// What first brought about that it is over.
    pub(super) over: Option<Cause>,
    /// A side opened an epoch that was not above its last.
    pub(super) epoch_fell: bool,
    /// An event that came a second time changed a machine.
    pub(super) repeat_had_effect: bool,
}

impl Bridges {
    pub(super) const fn shell(&self, who: Who) -> &Shell {
        match who {
            Who::Asker => &self.asker_shell,
            Who::Answerer => &self.answerer_shell,
        }
    }

    pub(super) const fn shell_mut(&mut self, who: Who) -> &mut Shell {
        match who {
            Who::Asker => &mut self.asker_shell,
            Who::Answerer => &mut self.answerer_shell,
        }
    }

    pub(super) const fn link(&self, who: Who) -> Option<&Link> {
        self.shell(who).link.as_ref()
    }

    pub(super) fn links(&self) -> Option<(&Link, &Link)> {
        self.link(Who::Asker).zip(self.link(Who::Answerer))
    }

    pub(super) const fn crashed(&self) -> (bool, bool) {
        (self.asker_shell.crashes > 0, self.answerer_shell.crashes > 0)
    }

    /// Both ends of the voice path belong together, and nothing is cut.
    pub(super) fn voice_flows(&self) -> bool {
        self.links().is_some_and(|(asker, answerer)| {
            let same =
                asker.connection.channel == answerer.connection.channel && asker.transcript() == answerer.transcript();
            same && !asker.cut && !answerer.cut
        })
    }

    pub(super) fn phase(&self, who: Who) -> Phase {
        match who {
            Who::Asker => self.asker.as_ref().map_or(Phase::Ended, |asker| asker.status().phase),
            Who::Answerer => self.answerer.status().phase,
        }
    }

    /// Whether a timer of this side runs.
    pub(super) fn waits(&self, who: Who) -> bool {
        let timer = match who {
            Who::Asker => self.asker.as_ref().and_then(Machine::poll_timeout),
            Who::Answerer => self.answerer.poll_timeout(),
        };
        timer.is_some()
    }

    /// Nothing is on its way and nothing is being done: what comes next is a timer, silence, or a fault.
    pub(super) fn is_quiet(&self) -> bool {
        let heard = |who| self.link(who).is_none_or(|link| link.heard);
        self.room.is_empty() && !self.admitting && (!self.voice_flows() || Who::BOTH.into_iter().all(heard))
    }

    /// Nothing comes by itself any more.
    pub(super) fn is_at_rest(&self) -> bool {
        let linked = Who::BOTH.into_iter().any(|who| self.link(who).is_some());
        let waits = self.resuming || Who::BOTH.into_iter().any(|who| self.waits(who));
        self.is_quiet() && !waits && (self.voice_flows() || !linked)
    }

    /// Both sides are open in one epoch, voice flows, and the record says so.
    pub(super) fn is_open(&self) -> bool {
        let recorded = self.record.as_ref().map(|record| record.channel);
        self.voice_flows()
            && Who::BOTH.into_iter().all(|who| self.phase(who) == Phase::Open)
            && recorded == self.link(Who::Asker).map(|link| link.connection.channel)
    }

    /// Both sides are done, and nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.phase(Who::Asker) == Phase::Ended
            && self.phase(Who::Answerer) == Phase::Idle
            && Who::BOTH.into_iter().all(|who| self.link(who).is_none())
            && self.record.is_none()
    }
}
