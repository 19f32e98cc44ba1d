//! Discord's permission bits and how they are computed.

use std::ops::{BitOr, BitOrAssign};

use crate::snowflake::Snowflake;

/// A set of permission bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permissions(pub(crate) u64);

impl Permissions {
    pub(crate) const ADMINISTRATOR: Self = Self(1 << 3);
    pub(crate) const MANAGE_CHANNELS: Self = Self(1 << 4);
    pub(crate) const VIEW_CHANNEL: Self = Self(1 << 10);
    pub(crate) const SEND_MESSAGES: Self = Self(1 << 11);
    pub(crate) const READ_MESSAGE_HISTORY: Self = Self(1 << 16);
    pub(crate) const CONNECT: Self = Self(1 << 20);
    pub(crate) const SPEAK: Self = Self(1 << 21);
    pub(crate) const MUTE_MEMBERS: Self = Self(1 << 22);
    pub(crate) const DEAFEN_MEMBERS: Self = Self(1 << 23);
    pub(crate) const MOVE_MEMBERS: Self = Self(1 << 24);
    pub(crate) const MANAGE_ROLES: Self = Self(1 << 28);
    pub(crate) const USE_APPLICATION_COMMANDS: Self = Self(1 << 31);
    pub(crate) const REQUEST_TO_SPEAK: Self = Self(1 << 32);
    pub(crate) const SET_VOICE_CHANNEL_STATUS: Self = Self(1 << 48);
    pub(crate) const ALL: Self = Self((1 << 53) - 1);

    /// What `@everyone` of a new guild may do.
    pub(crate) const EVERYONE: Self = Self(
        (1 << 6)
            | (1 << 9)
            | Self::VIEW_CHANNEL.0
            | Self::SEND_MESSAGES.0
            | (1 << 14)
            | (1 << 15)
            | Self::READ_MESSAGE_HISTORY.0
            | Self::CONNECT.0
            | Self::SPEAK.0
            | (1 << 25)
            | (1 << 26)
            | (1 << 31)
            | (1 << 32),
    );

    /// The bits of these names.
    ///
    /// # Errors
    /// The first name that is no permission.
    pub(crate) fn from_names(names: &[String]) -> Result<Self, String> {
        names.iter().try_fold(Self::default(), |set, name| {
            let bit = NAMES
                .iter()
                .find_map(|(known, bit)| (known == name).then_some(Self(1 << bit)))
                .ok_or_else(|| name.clone())?;
            Ok(set | bit)
        })
    }

    /// The names of the bits that have one.
    pub(crate) fn names(self) -> Vec<String> {
        let held = NAMES.iter().filter(|(_, bit)| self.contains(Self(1 << bit)));
        held.map(|(name, _)| (*name).to_owned()).collect()
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Names and bit numbers, as in Discord's permission table.
const NAMES: &[(&str, u8)] = &[
    ("CREATE_INSTANT_INVITE", 0),
    ("KICK_MEMBERS", 1),
    ("BAN_MEMBERS", 2),
    ("ADMINISTRATOR", 3),
    ("MANAGE_CHANNELS", 4),
    ("MANAGE_GUILD", 5),
    ("ADD_REACTIONS", 6),
    ("VIEW_AUDIT_LOG", 7),
    ("PRIORITY_SPEAKER", 8),
    ("STREAM", 9),
    ("VIEW_CHANNEL", 10),
    ("SEND_MESSAGES", 11),
    ("SEND_TTS_MESSAGES", 12),
    ("MANAGE_MESSAGES", 13),
    ("EMBED_LINKS", 14),
    ("ATTACH_FILES", 15),
    ("READ_MESSAGE_HISTORY", 16),
    ("MENTION_EVERYONE", 17),
    ("USE_EXTERNAL_EMOJIS", 18),
    ("VIEW_GUILD_INSIGHTS", 19),
    ("CONNECT", 20),
    ("SPEAK", 21),
    ("MUTE_MEMBERS", 22),
    ("DEAFEN_MEMBERS", 23),
    ("MOVE_MEMBERS", 24),
    ("USE_VAD", 25),
    ("CHANGE_NICKNAME", 26),
    ("MANAGE_NICKNAMES", 27),
    ("MANAGE_ROLES", 28),
    ("MANAGE_WEBHOOKS", 29),
    ("MANAGE_GUILD_EXPRESSIONS", 30),
    ("USE_APPLICATION_COMMANDS", 31),
    ("REQUEST_TO_SPEAK", 32),
    ("MANAGE_EVENTS", 33),
    ("MANAGE_THREADS", 34),
    ("CREATE_PUBLIC_THREADS", 35),
    ("CREATE_PRIVATE_THREADS", 36),
    ("USE_EXTERNAL_STICKERS", 37),
    ("SEND_MESSAGES_IN_THREADS", 38),
    ("USE_EMBEDDED_ACTIVITIES", 39),
    ("MODERATE_MEMBERS", 40),
    ("VIEW_CREATOR_MONETIZATION_ANALYTICS", 41),
    ("USE_SOUNDBOARD", 42),
    ("CREATE_GUILD_EXPRESSIONS", 43),
    ("CREATE_EVENTS", 44),
    ("USE_EXTERNAL_SOUNDS", 45),
    ("SEND_VOICE_MESSAGES", 46),
    ("SET_VOICE_CHANNEL_STATUS", 48),
    ("SEND_POLLS", 49),
    ("USE_EXTERNAL_APPS", 50),
    ("PIN_MESSAGES", 51),
    ("BYPASS_SLOWMODE", 52),
];

/// What an overwrite applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverwriteTarget {
    Role(Snowflake),
    Member(Snowflake),
}

/// Permissions given and taken in one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overwrite {
    pub(crate) target: OverwriteTarget,
    pub(crate) allow: Permissions,
    pub(crate) deny: Permissions,
}

/// The permissions of a member in a channel: roles, then the overwrites of `@everyone`, of his roles, of himself.
///
/// `base` is what `@everyone` and his roles give together.
pub(crate) fn in_channel(
    base: Permissions,
    everyone: Snowflake,
    roles: &[Snowflake],
    member: Snowflake,
    overwrites: &[Overwrite],
) -> Permissions {
    if base.contains(Permissions::ADMINISTRATOR) {
        return Permissions::ALL;
    }
    let everyone_layer = sum(overwrites, |target| target == OverwriteTarget::Role(everyone));
    let role_layer = sum(
        overwrites,
        |target| matches!(target, OverwriteTarget::Role(role) if role != everyone && roles.contains(&role)),
    );
    let member_layer = sum(overwrites, |target| target == OverwriteTarget::Member(member));
    let permissions = [everyone_layer, role_layer, member_layer]
        .into_iter()
        .fold(base, |permissions, (allow, deny)| permissions.without(deny) | allow);
    if permissions.contains(Permissions::VIEW_CHANNEL) {
        permissions
    } else {
        // Whoever does not see a channel can do nothing in it.
        Permissions::default()
    }
}

fn sum(overwrites: &[Overwrite], applies: impl Fn(OverwriteTarget) -> bool) -> (Permissions, Permissions) {
    let mut layer = (Permissions::default(), Permissions::default());
    for overwrite in overwrites.iter().filter(|o| applies(o.target)) {
        layer.0 |= overwrite.allow;
        layer.1 |= overwrite.deny;
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: Snowflake = Snowflake(1);
    const ROLE: Snowflake = Snowflake(2);
    const MEMBER: Snowflake = Snowflake(3);

    fn names(list: &[&str]) -> Permissions {
        let list: Vec<_> = list.iter().map(|name| (*name).to_owned()).collect();
        Permissions::from_names(&list).unwrap()
    }

    fn overwrite(target: OverwriteTarget, allow: &[&str], deny: &[&str]) -> Overwrite {
        Overwrite {
            target,
            allow: names(allow),
            deny: names(deny),
        }
    }

    fn compute(overwrites: &[Overwrite]) -> Permissions {
        in_channel(Permissions::EVERYONE, EVERYONE, &[ROLE], MEMBER, overwrites)
    }

    #[test]
    fn a_member_overwrite_beats_a_role_which_beats_everyone() {
        let everyone = overwrite(OverwriteTarget::Role(EVERYONE), &[], &["CONNECT"]);
        let role = overwrite(OverwriteTarget::Role(ROLE), &["CONNECT"], &[]);
        let member = overwrite(OverwriteTarget::Member(MEMBER), &[], &["CONNECT"]);
        assert!(!compute(&[everyone]).contains(Permissions::CONNECT));
        assert!(compute(&[role, everyone]).contains(Permissions::CONNECT));
        assert!(!compute(&[member, role, everyone]).contains(Permissions::CONNECT));
    }

    #[test]
    fn overwrites_of_others_do_not_matter() {
        let stranger = overwrite(OverwriteTarget::Member(Snowflake(9)), &["MUTE_MEMBERS"], &["SPEAK"]);
        assert_eq!(compute(&[stranger]), Permissions::EVERYONE);
    }

    #[test]
    fn an_unseen_channel_gives_nothing_and_an_administrator_has_all() {
        let hidden = overwrite(OverwriteTarget::Role(EVERYONE), &[], &["VIEW_CHANNEL"]);
        assert_eq!(compute(&[hidden]), Permissions::default());
        let all = in_channel(Permissions::ADMINISTRATOR, EVERYONE, &[], MEMBER, &[hidden]);
        assert_eq!(all, Permissions::ALL);
    }

    #[test]
    fn a_name_that_is_no_permission_is_told() {
        assert_eq!(Permissions::from_names(&["FLY".to_owned()]), Err("FLY".to_owned()));
    }
}
