//! One member of a voice channel, as the voice server knows him.

use std::{net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    crypto::Transport,
    dave::ToMember,
    frames::Arrival,
    hearing::Hearing,
    protocol::{Framing, Op},
    ring::Ring,
    server::VoiceServer,
};
use crate::{
    control::types::{FrameKind, Protection},
    gateway::sessions::ToClient,
    guild::VoiceState,
    snowflake::Snowflake,
};

/// A member; people have no client.
#[derive(Debug)]
pub(crate) struct Member {
    /// The server that he was sent to; it alone knows him.
    pub(crate) server: Arc<VoiceServer>,
    pub(crate) channel: Snowflake,
    pub(crate) person: bool,
    pub(crate) session_id: String,
    /// What a bot identifies with.
    pub(crate) token: String,
    pub(crate) ssrc: u32,
    /// Flags of his last op 5; `None` before the first.
    pub(crate) speaking: Option<u32>,
    pub(crate) may_be_heard: bool,
    pub(crate) hears: bool,
    pub(crate) client: Option<Client>,
    pub(crate) ring: Ring,
    pub(crate) counts: Counts,
    pub(super) hearing: Hearing,
}

/// Frames of one member.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) frames_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) silence_sent: u64,
    pub(crate) toc_only_sent: u64,
    pub(crate) encrypted_sent: u64,
    pub(crate) plain_sent: u64,
    pub(crate) frames_heard: u64,
    pub(crate) dropped: u64,
}

impl Counts {
    /// Counts a frame that was accepted from this member.
    pub(crate) fn count(&mut self, frame: &Arrival, alone: bool) {
        self.frames_sent += 1;
        self.bytes_sent += frame.payload.len() as u64;
        let kind = match frame.protection {
            Protection::Encrypted => FrameKind::Encrypted,
            _ => frame.kind(),
        };
        match kind {
            FrameKind::Silence => self.silence_sent += 1,
            FrameKind::TocOnly => self.toc_only_sent += 1,
            FrameKind::Encrypted => self.encrypted_sent += 1,
            FrameKind::Voice => {}
        }
        let plain = frame.protection == Protection::Plain && kind != FrameKind::Silence;
        self.plain_sent += u64::from(plain && !alone);
    }
}

/// A bot's voice session.
#[derive(Debug)]
pub(crate) struct Client {
    /// Number of the websocket that carries it, or carried it last.
    pub(crate) connection: u64,
    pub(crate) framing: Framing,
    pub(crate) out: Option<mpsc::Sender<ToClient>>,
    /// Where its packets come from and go to.
    pub(crate) address: Option<SocketAddr>,
    /// Set by select protocol.
    pub(crate) transport: Option<Transport>,
    /// The highest DAVE version that it speaks; 0 is none.
    pub(crate) dave: u16,
}

impl Client {
    /// Sends a message, or keeps it for a resume while there is no websocket.
    pub(crate) fn send(&mut self, op: Op, data: &Value) {
        let text = self.framing.encode(op, data);
        self.hand_over(ToClient::Text(text));
    }

    /// Tells it something about its encryption group.
    pub(crate) fn tell(&mut self, message: &ToMember) {
        let message = self.framing.encode_group(message);
        self.hand_over(message);
    }

    /// Gives something to the websocket task; a client that does not read loses its websocket.
    pub(crate) fn hand_over(&mut self, message: ToClient) {
        if self.out.as_ref().is_some_and(|out| out.try_send(message).is_err()) {
            self.out = None;
        }
    }
}

impl Member {
    pub(crate) fn new(server: Arc<VoiceServer>, person: bool, ssrc: u32, state: &VoiceState) -> Self {
        Self {
            server,
            channel: state.channel,
            person,
            session_id: state.session_id.clone(),
            token: format!("{:016x}", rand::random::<u64>()),
            ssrc,
            speaking: None,
            may_be_heard: state.may_be_heard(),
            hears: state.hears(),
            client: None,
            ring: Ring::default(),
            counts: Counts::default(),
            hearing: Hearing::default(),
        }
    }

    /// Whether this server knows him.
    pub(crate) fn is_on(&self, server: &Arc<VoiceServer>) -> bool {
        Arc::ptr_eq(&self.server, server)
    }

    /// Whether he takes part: a person always, a bot once its session is described.
    pub(crate) fn is_connected(&self) -> bool {
        self.person || self.client.as_ref().is_some_and(|client| client.transport.is_some())
    }
}
