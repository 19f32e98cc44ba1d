//! Which room has which voice channel. Rooms and voice channels are joined one to one, and a bot can be in one voice
//! channel of a guild.

use std::collections::HashMap;

use bridge_kit::matrix::{OwnedRoomId, RoomId};
use bridge_kit::media::Overload;
use signalling::Refusal;

use crate::admission::{self, Commitments, Load};
use crate::gateway::facts::{GuildId, Place, UserId, VoiceChannel};

/// The voice channels that rooms have, from the moment they are being joined.
#[derive(Debug)]
pub(crate) struct Table<S> {
    entries: HashMap<OwnedRoomId, Entry<S>>,
    max: usize,
    known_bridges: Vec<UserId>,
}

#[derive(Debug)]
struct Entry<S> {
    at: VoiceChannel,
    name: String,
    session: Option<S>,
}

/// A voice channel that a room has.
#[derive(Debug)]
pub(crate) struct Seat<'a, S> {
    pub(crate) room: &'a RoomId,
    pub(crate) at: VoiceChannel,
    pub(crate) name: &'a str,
    /// `None` while it is being joined, and when the session was taken out of it.
    pub(crate) session: Option<&'a S>,
}

impl<S> Table<S> {
    pub(crate) fn new(max: usize, known_bridges: Vec<UserId>) -> Self {
        Self {
            entries: HashMap::new(),
            max,
            known_bridges,
        }
    }

    /// Decides on a room's request for the channel at `place`, and gives it the channel if nothing is against it.
    pub(crate) fn claim(
        &mut self,
        room: &RoomId,
        place: &Place,
        overload: Option<Overload>,
    ) -> Result<VoiceChannel, Refusal> {
        let load = Load {
            joined: self.entries.len(),
            max: self.max,
            overload,
        };
        let at = admission::admit(place, &self.commitments(place), load, &self.known_bridges)?;
        let name = if let Place::Known(facts) = place {
            facts.name.clone()
        } else {
            String::new()
        };
        self.entries.insert(
            room.to_owned(),
            Entry {
                at,
                name,
                session: None,
            },
        );
        Ok(at)
    }

    fn commitments(&self, place: &Place) -> Commitments {
        let Place::Known(facts) = place else {
            return Commitments::default();
        };
        let taken = self.entries.values().any(|entry| entry.at == facts.at);
        let other = self.entries.values().find(|entry| entry.at.guild == facts.at.guild);
        Commitments {
            taken,
            elsewhere: other.map(|entry| entry.name.clone()),
        }
    }

    /// The channel has been joined. Gives the session back if the room has lost its claim in the meantime.
    pub(crate) fn joined(&mut self, room: &RoomId, session: S) -> Result<(), S> {
        match self.entries.get_mut(room) {
            None => Err(session),
            Some(entry) => {
                entry.session = Some(session);
                Ok(())
            }
        }
    }

    /// The room's link is gone. A session is given out, to be ended at once, and its claim stays until
    /// [`release`](Self::release); a channel that is still being joined loses its claim.
    pub(crate) fn unlink(&mut self, room: &RoomId) -> Option<S> {
        let session = self.entries.get_mut(room)?.session.take();
        if session.is_none() {
            self.entries.remove(room);
        }
        session
    }

    /// The room has its channel no more.
    pub(crate) fn release(&mut self, room: &RoomId) -> Option<S> {
        self.entries.remove(room)?.session
    }

    /// The channel of a room.
    pub(crate) fn channel(&self, room: &RoomId) -> Option<VoiceChannel> {
        Some(self.entries.get(room)?.at)
    }

    /// Every channel that a room has.
    pub(crate) fn seats(&self) -> impl Iterator<Item = Seat<'_, S>> {
        self.entries.iter().map(|(room, entry)| Seat {
            room,
            at: entry.at,
            name: &entry.name,
            session: entry.session.as_ref(),
        })
    }

    /// Rooms whose channel in a guild has been joined.
    pub(crate) fn joined_in(&self, guild: GuildId) -> Vec<(OwnedRoomId, VoiceChannel)> {
        self.seats()
            .filter(|seat| seat.at.guild == guild && seat.session.is_some())
            .map(|seat| (seat.room.to_owned(), seat.at))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use signalling::RejectReason;

    use super::*;
    use crate::gateway::facts::{ChannelFacts, ChannelId, ChannelKind, Permissions};

    fn room(name: &str) -> OwnedRoomId {
        format!("!{name}:localhost").try_into().unwrap()
    }

    fn place(guild: u64, channel: u64) -> Place {
        let id = |number| NonZeroU64::new(number).unwrap();
        Place::Known(ChannelFacts {
            at: VoiceChannel {
                guild: GuildId(id(guild)),
                channel: ChannelId(id(channel)),
            },
            name: format!("Channel {channel}"),
            kind: ChannelKind::Voice,
            afk: false,
            permissions: Permissions {
                view: true,
                connect: true,
                speak: true,
                exceed_limit: false,
            },
            user_limit: 0,
            bitrate: None,
            members: vec![],
        })
    }

    fn reason(outcome: Result<VoiceChannel, Refusal>) -> RejectReason {
        outcome.expect_err("a refusal").reason
    }

    #[test]
    fn a_second_room_on_the_same_channel_would_close_a_cycle() {
        let mut table = Table::<()>::new(9, vec![]);
        table.claim(&room("a"), &place(1, 2), None).unwrap();
        assert_eq!(
            reason(table.claim(&room("b"), &place(1, 2), None)),
            RejectReason::NotBridged
        );
        table.release(&room("a"));
        table.claim(&room("b"), &place(1, 2), None).unwrap();
    }

    /// S8: the bot is in another channel of that guild.
    #[test]
    fn a_guild_has_one_channel_at_a_time() {
        let mut table = Table::<()>::new(9, vec![]);
        table.claim(&room("a"), &place(1, 2), None).unwrap();
        let refusal = table.claim(&room("b"), &place(1, 3), None).unwrap_err();
        assert_eq!(refusal.reason, RejectReason::DiscordLimit);
        assert!(refusal.text.contains("“Channel 2”"), "{}", refusal.text);
        table.claim(&room("b"), &place(4, 3), None).unwrap();
    }

    /// S8: out of capacity counts channels that are still being joined.
    #[test]
    fn capacity_counts_claims() {
        let mut table = Table::<()>::new(1, vec![]);
        table.claim(&room("a"), &place(1, 2), None).unwrap();
        assert_eq!(
            reason(table.claim(&room("b"), &place(3, 4), None)),
            RejectReason::AtCapacity
        );
        table.release(&room("a"));
        table.claim(&room("b"), &place(3, 4), None).unwrap();
    }

    #[test]
    fn a_session_that_comes_after_its_room_has_gone_is_given_back() {
        let mut table = Table::new(9, vec![]);
        let at = table.claim(&room("a"), &place(1, 2), None).unwrap();
        assert_eq!(table.joined(&room("a"), "session"), Ok(()));
        assert_eq!(table.joined_in(at.guild), [(room("a"), at)]);
        assert_eq!(table.unlink(&room("a")), Some("session"));
        assert!(table.joined_in(at.guild).is_empty());
        assert_eq!(table.channel(&room("a")), Some(at), "the claim stays");
        assert_eq!(table.release(&room("a")), None);

        table.claim(&room("a"), &place(1, 2), None).unwrap();
        assert_eq!(table.unlink(&room("a")), None);
        assert_eq!(table.joined(&room("a"), "late"), Err("late"));
    }
}
