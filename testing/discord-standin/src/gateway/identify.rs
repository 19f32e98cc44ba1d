//! Who may begin a session.

use super::{
    close, intents,
    payload::Identify,
    starts::{self, Starts},
};
use crate::{server::Server, snowflake::Snowflake};

/// The only shard: one is enough for one guild.
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
pub(super) fn admit(server: &Server, identify: &Identify) -> Result<Snowflake, Refused> {
    let mut world = server.world.lock();
    let user = world
        .guild
        .bot_by_token(bare(&identify.token))
        .ok_or(Refused::Close(close::AUTHENTICATION_FAILED))?;
    let account = world.guild.accounts.get(&user);
    let allowed = account.map_or(0, |account| account.privileged_intents);
    let large = account.is_some_and(|account| account.sharding_required);
    if identify.shard.unwrap_or(ONLY_SHARD) != ONLY_SHARD {
        return Err(Refused::Close(close::INVALID_SHARD));
    }
    if large {
        return Err(Refused::Close(close::SHARDING_REQUIRED));
    }
    if identify.intents & !intents::KNOWN != 0 {
        return Err(Refused::Close(close::INVALID_INTENTS));
    }
    if identify.intents & intents::PRIVILEGED & !allowed != 0 {
        return Err(Refused::Close(close::DISALLOWED_INTENTS));
    }
    let spacing = u64::try_from(server.config.identify_spacing.as_nanos()).unwrap_or(u64::MAX);
    let starts: &mut Starts = world.starts.entry(user).or_default();
    match starts.begin(server.clock.now_ns(), spacing) {
        Ok(()) => Ok(user),
        Err(starts::Refused::TooSoon) => {
            server.counters.count("gateway_identifies_too_soon");
            Err(Refused::InvalidSession)
        }
        Err(starts::Refused::Exhausted) => Err(Refused::Close(close::AUTHENTICATION_FAILED)),
    }
}

/// A token without the word that REST puts before it.
pub(super) fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}
