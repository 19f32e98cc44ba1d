//! Who may begin a session.

use super::{close, intents, payload::Identify, starts};
use crate::{discord::Discord, snowflake::Snowflake};

/// The only shard: one is enough for a few guilds.
const ONLY_SHARD: [u64; 2] = [0, 1];

/// What a client that may not begin a session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// This close code.
    Close(u16),
    /// Op 9: it has to wait and identify again.
    InvalidSession,
}

/// The bot that identifies, if it may.
pub(super) fn admit(discord: &Discord, identify: &Identify) -> Result<Snowflake, Refused> {
    let mut bots = discord.bots.lock();
    let unknown = Refused::Close(close::AUTHENTICATION_FAILED);
    let user = bots.by_token(bare(&identify.token)).ok_or(unknown)?;
    let login = bots.get_mut(user).ok_or(unknown)?;
    if identify.shard.unwrap_or(ONLY_SHARD) != ONLY_SHARD {
        return Err(Refused::Close(close::INVALID_SHARD));
    }
    if login.sharding_required {
        return Err(Refused::Close(close::SHARDING_REQUIRED));
    }
    if identify.intents & !intents::KNOWN != 0 {
        return Err(Refused::Close(close::INVALID_INTENTS));
    }
    if identify.intents & intents::PRIVILEGED & !login.privileged_intents != 0 {
        return Err(Refused::Close(close::DISALLOWED_INTENTS));
    }
    let spacing = u64::try_from(discord.config.identify_spacing.as_nanos()).unwrap_or(u64::MAX);
    match login.starts.begin(discord.clock.now_ns(), spacing) {
        Ok(()) => Ok(user),
        Err(starts::Refused::TooSoon) => {
            discord.counters.count("gateway_identifies_too_soon");
            Err(Refused::InvalidSession)
        }
        Err(starts::Refused::Exhausted) => Err(Refused::Close(close::AUTHENTICATION_FAILED)),
    }
}

/// A token without the word that REST puts before it.
pub(super) fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}
