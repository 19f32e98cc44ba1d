//! What a room shows of somebody, and where.

use std::num::NonZeroU64;

use bridge_kit::channel::PersonId;
use bridge_kit::matrix::{OwnedRoomId, RoomId, UserId as MatrixUser};
use signalling::Member;

use crate::gateway::facts::{Person, UserId};

/// A piece of a room's state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) room: OwnedRoomId,
    pub(super) key: String,
}

impl Spot {
    /// Before all others of the room.
    pub(super) fn first(room: &RoomId) -> Self {
        Self {
            room: room.to_owned(),
            key: String::new(),
        }
    }

    /// Where somebody is shown whose ghost this is.
    pub(super) fn of(room: &RoomId, ghost: &MatrixUser) -> Self {
        Self {
            room: room.to_owned(),
            key: Member::state_key(ghost.as_str()),
        }
    }
}

/// What is shown of somebody. What it takes for it on Matrix is seen to when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// Him.
    Person {
        person: Person,
        /// Since when he is there, in milliseconds since 1970.
        since: u64,
    },
    /// Something that makes no sense any more.
    Nonsense,
}

impl Shown {
    /// Reads what stands in a room's state.
    pub(super) fn read(member: &Member) -> Self {
        let Some(id) = member.id.as_str().parse::<NonZeroU64>().ok() else {
            return Self::Nonsense;
        };
        Self::Person {
            person: Person {
                id: UserId(id),
                name: member.display_name.clone(),
                avatar: member.avatar.clone(),
                bot: member.bot,
                self_mute: member.self_mute,
                self_deaf: member.self_deaf,
                server_mute: member.server_mute,
                server_deaf: member.server_deaf,
                suppressed: member.suppressed,
            },
            since: member.since,
        }
    }

    /// Since when he is there.
    pub(super) fn since(&self) -> Option<u64> {
        match self {
            Self::Person { since, .. } => Some(*since),
            Self::Nonsense => None,
        }
    }
}

/// What is written of somebody.
pub(super) fn member(person: &Person, since: u64, ghost: &MatrixUser, avatar_url: Option<String>) -> Option<Member> {
    Some(Member {
        id: PersonId::new(person.id.to_string())?,
        user_id: ghost.to_string(),
        display_name: person.name.clone(),
        avatar: person.avatar.clone(),
        avatar_url,
        bot: person.bot,
        self_mute: person.self_mute,
        self_deaf: person.self_deaf,
        server_mute: person.server_mute,
        server_deaf: person.server_deaf,
        suppressed: person.suppressed,
        since,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bridge that starts finds what it wrote, and has nothing to write where nothing has changed.
    #[test]
    fn what_is_written_is_read_as_the_same() {
        let ghost = <&MatrixUser>::try_from("@_vdp_discord_7:hs").unwrap();
        let person = Person {
            id: UserId(NonZeroU64::new(7).unwrap()),
            name: "Ada".to_owned(),
            avatar: Some("avatars/7/abc".to_owned()),
            bot: false,
            self_mute: true,
            self_deaf: false,
            server_mute: false,
            server_deaf: true,
            suppressed: true,
        };
        let written = member(&person, 5, ghost, Some("mxc://hs/x".to_owned())).unwrap();
        let read = Member::from_json(&written.to_json()).unwrap().unwrap();
        assert_eq!(Shown::read(&read), Shown::Person { person, since: 5 });
        let room = <&RoomId>::try_from("!room:hs").unwrap();
        assert!(Spot::first(room) < Spot::of(room, ghost));
        assert_eq!(Spot::of(room, ghost).key, "_@_vdp_discord_7:hs");
    }
}
