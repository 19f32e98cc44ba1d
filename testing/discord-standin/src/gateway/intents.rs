//! Gateway intents: which events a session gets.

pub(crate) const GUILDS: u64 = 1 << 0;
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
pub(crate) const GUILD_VOICE_STATES: u64 = 1 << 7;
pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;

/// Every intent that exists; a bit outside closes the connection with 4013.
pub(crate) const KNOWN: u64 = 0x0371_ffff;
