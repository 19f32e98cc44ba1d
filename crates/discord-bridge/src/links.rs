//! Where a room's link leads. The kit finds the link and trusts its sender; its ids are opaque to everybody but this bridge.

use std::num::NonZeroU64;

use bridge_kit::matrix::Link;
use signalling::{Refusal, RejectReason};

use crate::gateway::facts::{ChannelId, GuildId, VoiceChannel};

/// The protocol id of Discord in bridge events (MSC2346).
const PROTOCOL: &str = "discord";

/// A Discord channel as a link names it. Whether it exists, and whether one can speak there, Discord must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The guild, if the link names one.
    pub(crate) guild: Option<GuildId>,
    /// The channel.
    pub(crate) channel: ChannelId,
}

/// Why a link leads nowhere on Discord.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// It leads to another network.
    #[error("the room is bridged to “{0}”, not to Discord")]
    OtherNetwork(String),
    /// It names no Discord channel.
    #[error("the room's link has “{0}” where the id of a Discord {1} should be")]
    BadId(String, &'static str),
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        Self::new(RejectReason::NotBridged, error.to_string())
    }
}

impl Target {
    /// Reads a link.
    pub(crate) fn of(link: &Link) -> Result<Self, LinkError> {
        Self::named(&link.protocol, &link.network_id, &link.channel_id)
    }

    /// Reads the parts of a link.
    pub(crate) fn named(protocol: &str, network: &str, channel: &str) -> Result<Self, LinkError> {
        if protocol != PROTOCOL {
            return Err(LinkError::OtherNetwork(protocol.to_owned()));
        }
        let guild = match network {
            "" => None,
            text => Some(GuildId(snowflake(text, "server")?)),
        };
        Ok(Self {
            guild,
            channel: ChannelId(snowflake(channel, "channel")?),
        })
    }

    /// Whether it names this very channel.
    pub(crate) fn is(self, at: VoiceChannel) -> bool {
        self.channel == at.channel && self.guild.is_none_or(|guild| guild == at.guild)
    }
}

/// Ids on Discord are positive 64-bit integers, written in decimal.
fn snowflake(text: &str, what: &'static str) -> Result<NonZeroU64, LinkError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| digits);
    id.ok_or_else(|| LinkError::BadId(text.to_owned(), what))
}

#[cfg(test)]
mod tests {
    use bridge_kit::matrix::LinkSource;

    use super::*;

    fn target(protocol: &str, network: &str, channel: &str) -> Result<Target, LinkError> {
        Target::of(&Link {
            protocol: protocol.to_owned(),
            network_id: network.to_owned(),
            channel_id: channel.to_owned(),
            source: LinkSource::Configuration,
            sender: None,
        })
    }

    fn id(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    #[test]
    fn a_link_to_discord_is_read() {
        let expected = Target {
            guild: Some(GuildId(id(1111))),
            channel: ChannelId(id(2222)),
        };
        assert_eq!(target("discord", "1111", "2222"), Ok(expected));
        assert_eq!(
            target("discord", "", "2222"),
            Ok(Target {
                guild: None,
                ..expected
            })
        );
    }

    /// S8: what is not bridged to a voice channel says why.
    #[test]
    fn a_link_that_leads_elsewhere_is_told_apart() {
        assert_eq!(target("irc", "1", "2"), Err(LinkError::OtherNetwork("irc".to_owned())));
        for (network, channel, wrong) in [
            ("x", "2", "x"),
            ("1", "#general", "#general"),
            ("1", "0", "0"),
            ("1", "+2", "+2"),
        ] {
            let error = target("discord", network, channel).unwrap_err();
            assert!(matches!(&error, LinkError::BadId(text, _) if text == wrong), "{error}");
            assert_eq!(Refusal::from(error).reason, RejectReason::NotBridged);
        }
    }

    #[test]
    fn a_link_without_a_guild_is_about_its_channel_alone() {
        let at = VoiceChannel {
            guild: GuildId(id(1)),
            channel: ChannelId(id(2)),
        };
        assert!(target("discord", "", "2").unwrap().is(at));
        assert!(target("discord", "1", "2").unwrap().is(at));
        assert!(!target("discord", "3", "2").unwrap().is(at));
        assert!(!target("discord", "1", "4").unwrap().is(at));
    }
}
