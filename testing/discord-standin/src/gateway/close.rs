//! Close codes of the gateway.

pub(super) const UNKNOWN_OPERATION: u16 = 4001;
pub(super) const DECODE_ERROR: u16 = 4002;
pub(super) const NOT_AUTHENTICATED: u16 = 4003;
pub(super) const AUTHENTICATION_FAILED: u16 = 4004;
pub(super) const ALREADY_AUTHENTICATED: u16 = 4005;
pub(super) const RATE_LIMITED: u16 = 4008;
pub(super) const SESSION_TIMEOUT: u16 = 4009;
pub(super) const INVALID_SHARD: u16 = 4010;
pub(super) const SHARDING_REQUIRED: u16 = 4011;
pub(super) const INVALID_VERSION: u16 = 4012;
pub(super) const INVALID_INTENTS: u16 = 4013;
pub(super) const DISALLOWED_INTENTS: u16 = 4014;

/// The text that goes with a code.
pub(super) const fn reason(code: u16) -> &'static str {
    match code {
        4000 => "Unknown error.",
        UNKNOWN_OPERATION => "Unknown opcode.",
        DECODE_ERROR => "Error while decoding payload.",
        NOT_AUTHENTICATED => "Not authenticated.",
        AUTHENTICATION_FAILED => "Authentication failed.",
        ALREADY_AUTHENTICATED => "Already authenticated.",
        4007 => "Invalid seq.",
        RATE_LIMITED => "You are being rate limited.",
        SESSION_TIMEOUT => "Session timed out.",
        INVALID_SHARD => "Invalid shard.",
        SHARDING_REQUIRED => "Sharding required.",
        INVALID_VERSION => "Invalid API version.",
        INVALID_INTENTS => "Invalid intent(s).",
        DISALLOWED_INTENTS => "Disallowed intent(s).",
        _ => "",
    }
}

/// The counter of a code that the gateway closes with by itself.
pub(super) const fn counter(code: u16) -> &'static str {
    match code {
        UNKNOWN_OPERATION => "gateway_unknown_operations",
        DECODE_ERROR => "gateway_decode_errors",
        NOT_AUTHENTICATED => "gateway_not_authenticated",
        AUTHENTICATION_FAILED => "gateway_authentication_failures",
        RATE_LIMITED => "gateway_rate_limited",
        SESSION_TIMEOUT => "gateway_zombies",
        INVALID_SHARD => "gateway_invalid_shards",
        INVALID_INTENTS => "gateway_invalid_intents",
        DISALLOWED_INTENTS => "gateway_disallowed_intents",
        _ => "gateway_refusals",
    }
}
