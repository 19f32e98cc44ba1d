//! What a stand-in is started with, and what it tells when it is ready.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::control::types::DavePolicy;

/// Where to listen and who may log in. The default listens on ephemeral loopback ports.
#[derive(Clone, Debug)]
pub struct Config {
    /// REST and gateway.
    pub http: SocketAddr,
    /// Control interface.
    pub control: SocketAddr,
    /// Voice gateway (TLS under a private CA made at start).
    pub voice: SocketAddr,
    /// UDP voice.
    pub udp: SocketAddr,
    /// Where the CA certificate is written (PEM); `None` for a temporary file, removed at the end.
    pub ca_out: Option<PathBuf>,
    /// Token of the first bot.
    pub token: String,
    /// User name of the first bot.
    pub bot_name: String,
    /// End-to-end encryption of voice channels; stages are never encrypted unless they are told to be.
    pub dave: DavePolicy,
    /// How long a voice websocket may be gone before its member is taken out of the channel.
    pub voice_grace: Duration,
    /// How much time a client has between two heartbeats of the gateway.
    pub heartbeat_interval: Duration,
    /// How much time has to lie between two identifies of a bot.
    pub identify_spacing: Duration,
    /// How long a gateway session that lost its websocket may be resumed; then its voice ends too.
    pub session_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let ephemeral = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http: ephemeral,
            control: ephemeral,
            voice: ephemeral,
            udp: ephemeral,
            ca_out: None,
            token: "standin-token".to_owned(),
            bot_name: "bridge".to_owned(),
            dave: DavePolicy::Required,
            voice_grace: Duration::from_secs(15),
            heartbeat_interval: Duration::from_millis(41_250),
            identify_spacing: Duration::from_secs(5),
            session_grace: Duration::from_mins(1),
        }
    }
}

/// Addresses and ids of a running stand-in; printed as one line of JSON by the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Always true: everything listens.
    pub ready: bool,
    /// Base of the REST interface, without `/api`.
    pub api_base: String,
    /// URL of the gateway, as `GET /gateway` answers it.
    pub gateway: String,
    /// Base of the control interface.
    pub control: String,
    /// Host and port of the voice gateway, as `VOICE_SERVER_UPDATE` tells it.
    pub voice_endpoint: String,
    /// Address of the UDP voice server.
    pub voice_udp: SocketAddr,
    /// PEM file of the CA that the voice gateway's certificate is signed by.
    pub ca: PathBuf,
    /// Token of the first bot.
    pub token: String,
    /// The first guild.
    pub guild_id: String,
    /// Its first text channel.
    pub text_channel_id: String,
    /// Its first voice channel.
    pub voice_channel_id: String,
    /// Its second voice channel.
    pub second_voice_channel_id: String,
    /// The first bot's user.
    pub bot_user_id: String,
    /// The first bot's application.
    pub application_id: String,
}
