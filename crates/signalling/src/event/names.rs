//! The type names of all events, which live under one prefix.

/// The prefix of every event type of this protocol.
pub const PREFIX: &str = "vdp.";

/// Asking side → answering side: open a channel for a room.
pub const REQUEST: &str = "vdp.channel.request";
/// Answering side → asking side: here is my end of an epoch.
pub const OFFER: &str = "vdp.channel.offer";
/// Asking side → answering side: here is mine.
pub const ACCEPT: &str = "vdp.channel.accept";
/// Answering side → asking side: no, and why.
pub const REJECT: &str = "vdp.channel.reject";
/// Answering side → asking side: who is in the voice channel.
pub const PEOPLE: &str = "vdp.channel.people";
/// Either side: whether anybody hears what comes over this epoch's channel.
pub const AUDIENCE: &str = "vdp.channel.audience";
/// Either side: this epoch does not work any more, and why.
pub const BROKEN: &str = "vdp.channel.broken";
/// Either side: the channel is over for good, and why.
pub const CLOSE: &str = "vdp.channel.close";

/// State event that marks a room as the control room of two bridges; state key empty.
pub const CONTROL: &str = "vdp.control";
/// State event of a bridged room that names what it is linked to.
pub const LINK: &str = "vdp.link";
/// State event of the control room for an open channel; state key is the bridged room's id.
pub const CHANNEL: &str = "vdp.channel";
/// State event of a bridged room for one person in the voice channel that it is linked to; see
/// [`Member::state_key`](super::Member::state_key).
pub const MEMBER: &str = "vdp.member";
