//! The network between clients and the voice server, and that server itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Which way voice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a member to the server: what he says.
    ToServer,
    /// From the server to a member: what he hears.
    FromServer,
}

/// What a network does to datagrams. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Share of datagrams that are lost, 0 to 1.
    pub loss: f64,
    /// Mean number of datagrams lost in a row; 0 loses each by itself.
    pub loss_burst: f64,
    /// Every datagram is delayed by this.
    pub delay_ms: u32,
    /// And by up to this more, evenly spread. Order is kept.
    pub jitter_ms: u32,
    /// Share of datagrams that are held back until later ones have passed, 0 to 1.
    pub reorder: f64,
    /// How long those are held back.
    pub reorder_ms: u32,
    /// Share of datagrams that come twice, 0 to 1.
    pub duplicate: f64,
    /// Nothing passes.
    pub cut: bool,
    /// Chance starts here: equal seeds and equal traffic meet an equal network.
    pub seed: u64,
}

/// Asks for an impairment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetImpairment {
    /// Id or name of the member it is for; everyone who has none of his own without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Both ways without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// What it does.
    pub impairment: Impairment,
}

/// What an impairment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpairmentCounts {
    /// Datagrams that met it.
    pub seen: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because nothing passed.
    pub cut: u64,
    /// Delivered later than they came.
    pub delayed: u64,
    /// Held back until later ones had passed.
    pub reordered: u64,
    /// Delivered twice.
    pub duplicated: u64,
}

/// An impairment that is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActiveImpairment {
    /// Whose it is; everyone's without.
    pub user_id: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// What it does.
    pub impairment: Impairment,
    /// What it did.
    pub counts: ImpairmentCounts,
}

/// The voice server of the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceServer {
    /// Host and port of its voice gateway; `None` while there is no voice server.
    pub endpoint: Option<String>,
    /// Address of its UDP voice.
    pub udp: SocketAddr,
    /// Whether it answers.
    pub alive: bool,
}

/// How the voice server refuses a bot that identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceRefusal {
    /// Close code.
    pub code: u16,
    /// How often; until it is taken back without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}
