//! May a call go on, now that something has changed on Discord?

use signalling::CloseReason;

use crate::admission;
use crate::gateway::facts::{BotPlace, Place, VoiceChannel};

/// Why a call must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) reason: CloseReason,
    pub(crate) text: String,
}

impl Ending {
    pub(crate) fn new(reason: CloseReason, text: impl Into<String>) -> Self {
        Self {
            reason,
            text: text.into(),
        }
    }
}

/// Judges by what is known of the channel. Voice runs on while the gateway is away or the guild has an outage.
pub(crate) fn of_channel(place: &Place) -> Result<(), Ending> {
    match place {
        Place::Offline | Place::UnavailableGuild => Ok(()),
        Place::UnknownGuild => Err(Ending::new(
            CloseReason::NoPermission,
            "the bridge's bot was removed from the Discord server",
        )),
        Place::HiddenChannel => Err(Ending::new(
            CloseReason::NoPermission,
            "the bridge's bot may not see the Discord channel any more",
        )),
        Place::UnknownChannel => Err(Ending::new(
            CloseReason::NoLongerBridged,
            "the Discord channel was deleted",
        )),
        Place::Known(facts) if facts.afk => Err(Ending::new(
            CloseReason::DiscordLimit,
            "the Discord channel is the one for people who are away now, where nobody can speak",
        )),
        Place::Known(facts) => {
            admission::check_permissions(facts).map_err(|refusal| Ending::new(CloseReason::NoPermission, refusal.text))
        }
    }
}

/// Judges by where the bot is.
pub(crate) fn of_bot(bot: BotPlace, at: VoiceChannel) -> Result<(), Ending> {
    let text = match bot {
        BotPlace::Unknown => return Ok(()),
        BotPlace::In(channel) if channel == at.channel => return Ok(()),
        BotPlace::In(_) => "somebody moved the bridge's bot to another voice channel",
        BotPlace::Nowhere => "somebody disconnected the bridge's bot from the voice channel",
    };
    Err(Ending::new(CloseReason::DiscordLimit, text))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::gateway::facts::{ChannelFacts, ChannelId, ChannelKind, GuildId, Permissions};

    fn at(channel: u64) -> VoiceChannel {
        let id = |number| NonZeroU64::new(number).unwrap();
        VoiceChannel {
            guild: GuildId(id(1)),
            channel: ChannelId(id(channel)),
        }
    }

    fn known(speak: bool) -> Place {
        Place::Known(ChannelFacts {
            at: at(2),
            name: "General".into(),
            kind: ChannelKind::Voice,
            afk: false,
            permissions: Permissions {
                view: true,
                connect: true,
                speak,
                exceed_limit: false,
            },
            user_limit: 1,
            bitrate: None,
            members: vec![],
        })
    }

    fn away() -> Place {
        match known(true) {
            Place::Known(facts) => Place::Known(ChannelFacts { afk: true, ..facts }),
            place => place,
        }
    }

    #[test]
    fn a_call_survives_what_does_not_concern_it() {
        for place in [Place::Offline, Place::UnavailableGuild, known(true)] {
            assert_eq!(of_channel(&place), Ok(()), "{place:?}");
        }
        for bot in [BotPlace::Unknown, BotPlace::In(at(2).channel)] {
            assert_eq!(of_bot(bot, at(2)), Ok(()), "{bot:?}");
        }
    }

    #[test]
    fn a_call_ends_with_the_true_reason() {
        let cases = [
            (
                of_channel(&Place::UnknownGuild),
                CloseReason::NoPermission,
                "removed from the Discord server",
            ),
            (
                of_channel(&Place::HiddenChannel),
                CloseReason::NoPermission,
                "may not see",
            ),
            (
                of_channel(&Place::UnknownChannel),
                CloseReason::NoLongerBridged,
                "deleted",
            ),
            (of_channel(&known(false)), CloseReason::NoPermission, "“Speak”"),
            (of_channel(&away()), CloseReason::DiscordLimit, "who are away"),
            (
                of_bot(BotPlace::Nowhere, at(2)),
                CloseReason::DiscordLimit,
                "disconnected",
            ),
            (
                of_bot(BotPlace::In(at(3).channel), at(2)),
                CloseReason::DiscordLimit,
                "moved",
            ),
        ];
        for (outcome, reason, words) in cases {
            let ending = outcome.expect_err(words);
            assert_eq!(ending.reason, reason);
            assert!(ending.text.contains(words), "{:?} says {words:?}", ending.text);
        }
    }
}
