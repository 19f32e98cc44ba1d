//! One voice gateway websocket.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, WebSocketUpgrade, ws::WebSocket},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{
    dave::FromMember,
    protocol::{self, ClientMessage, Framing, Op, Version},
    server::VoiceServer,
    sessions::{Websocket, close},
};
use crate::{
    envelope::DecodeError,
    gateway::{
        sessions::{QUEUE, ToClient},
        wire::{Flow, Incoming, Wire},
    },
    server::Server,
    snowflake::Snowflake,
};

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(13_750);
const INTERVALS_ALLOWED: u32 = 2;
const LARGEST_MESSAGE: usize = 65_536;

/// The query of a voice gateway URL.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    v: u8,
}

/// The gateway of one voice server.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) server: Arc<Server>,
    pub(crate) voice_server: Arc<VoiceServer>,
}

/// Takes a websocket to the voice gateway.
pub(crate) async fn upgrade(
    State(gateway): State<Gateway>,
    Query(parameters): Query<Parameters>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let tasks = gateway.server.discord.tasks.clone();
        tasks.track_future(run(gateway, socket, parameters.v)).await;
    })
}

async fn run(Gateway { server, voice_server }: Gateway, socket: WebSocket, version: u8) {
    let mut wire = Wire::new(socket, false, close::reason);
    let Some(version) = Version::from_number(version) else {
        server.discord.counters.count("voice_unsupported_version");
        wire.close(close::UNKNOWN_PROTOCOL).await;
        return;
    };
    let (out, mut inbox) = mpsc::channel(QUEUE);
    let mut connection = Connection {
        number: server.discord.next_connection(),
        server,
        voice_server,
        version,
        out,
        user: None,
    };
    connection.serve(&mut wire, &mut inbox).await;
    connection.finish();
}

struct Connection {
    server: Arc<Server>,
    voice_server: Arc<VoiceServer>,
    number: u64,
    version: Version,
    out: mpsc::Sender<ToClient>,
    user: Option<Snowflake>,
}

impl Connection {
    async fn serve(&mut self, wire: &mut Wire, inbox: &mut mpsc::Receiver<ToClient>) {
        let cancel = self.server.discord.cancel.clone();
        if self.greet(wire).await == Flow::Ends {
            return;
        }
        let mut deadline = Instant::now() + HEARTBEAT_INTERVAL * INTERVALS_ALLOWED;
        loop {
            let revived = tokio::select! {
                () = cancel.cancelled() => return,
                revived = self.voice_server.revival() => revived,
            };
            if revived {
                // Heartbeats that came meanwhile are still unread.
                deadline = Instant::now() + HEARTBEAT_INTERVAL * INTERVALS_ALLOWED;
            }
            let flow = tokio::select! {
                () = cancel.cancelled() => wire.close(1001).await,
                () = self.voice_server.death() => Flow::Goes,
                () = tokio::time::sleep_until(deadline) => self.refuse(wire, close::SESSION_TIMEOUT).await,
                message = inbox.recv() => match message {
                    Some(message) => wire.carry_out(message).await,
                    None => Flow::Ends,
                },
                incoming = wire.receive() => match incoming {
                    Incoming::Closed(_) => Flow::Ends,
                    Incoming::Binary(bytes) => self.take_binary(wire, &bytes).await,
                    Incoming::Text(text) => match protocol::decode(self.version, &text) {
                        Ok(ClientMessage::Heartbeat(data)) => {
                            deadline = Instant::now() + HEARTBEAT_INTERVAL * INTERVALS_ALLOWED;
                            wire.send(self.unsequenced(Op::HeartbeatAck, &data)).await
                        }
                        Ok(message) => self.take(wire, message).await,
                        Err(DecodeError::Malformed) => self.refuse(wire, close::DECODE_ERROR).await,
                        Err(DecodeError::UnknownOperation) => {
                            self.refuse(wire, close::UNKNOWN_OPERATION).await
                        }
                    },
                },
            };
            if flow == Flow::Ends {
                return;
            }
        }
    }

    async fn greet(&self, wire: &mut Wire) -> Flow {
        let interval = u64::try_from(HEARTBEAT_INTERVAL.as_millis()).unwrap_or_default();
        let hello = match self.version {
            Version::V4 => json!({"heartbeat_interval": interval}),
            Version::V8 => json!({"v": 8, "heartbeat_interval": interval}),
        };
        wire.send(self.unsequenced(Op::Hello, &hello)).await
    }

    async fn take(&mut self, wire: &mut Wire, message: ClientMessage) -> Flow {
        let voice = &self.server.voice;
        let done = match (message, self.user) {
            (ClientMessage::Identify(identify), None) => voice
                .identify(self.websocket(), &identify)
                .map(|()| self.user = Some(identify.user_id)),
            (ClientMessage::Resume(resume), None) => voice
                .resume(self.websocket(), &resume)
                .map(|user| self.user = Some(user)),
            (ClientMessage::Identify(_) | ClientMessage::Resume(_), Some(_)) => Err(close::ALREADY_AUTHENTICATED),
            (_, None) => Err(close::NOT_AUTHENTICATED),
            (ClientMessage::SelectProtocol(selected), Some(user)) => voice.select_protocol(user, &selected),
            (ClientMessage::Speaking(speaking), Some(user)) => {
                voice.speaking_update(user, speaking.speaking, speaking.ssrc);
                Ok(())
            }
            (ClientMessage::Dave(message), Some(user)) => {
                voice.group_message(user, message);
                Ok(())
            }
            (ClientMessage::Ignored | ClientMessage::Heartbeat(_), Some(_)) => Ok(()),
        };
        match done {
            Ok(()) => Flow::Goes,
            Err(code) => self.refuse(wire, code).await,
        }
    }

    /// Binary messages are about encryption groups: one byte of operation, then MLS.
    async fn take_binary(&self, wire: &mut Wire, bytes: &[u8]) -> Flow {
        let Some(user) = self.user else {
            return self.refuse(wire, close::NOT_AUTHENTICATED).await;
        };
        match FromMember::from_binary(bytes) {
            Ok(message) => {
                self.server.voice.group_message(user, message);
                Flow::Goes
            }
            Err(_) => self.refuse(wire, close::DECODE_ERROR).await,
        }
    }

    async fn refuse(&self, wire: &mut Wire, code: u16) -> Flow {
        self.server.discord.counters.count(match code {
            close::UNKNOWN_OPERATION => "voice_unknown_operations",
            close::DECODE_ERROR => "voice_decode_errors",
            close::NOT_AUTHENTICATED => "voice_not_authenticated",
            close::AUTHENTICATION_FAILED => "voice_authentication_failures",
            close::SESSION_TIMEOUT => "voice_session_timeouts",
            close::DAVE_REQUIRED => "voice_without_dave",
            _ => "voice_refusals",
        });
        wire.close(code).await
    }

    /// A message that version 8 does not number, so that it needs no session.
    fn unsequenced(&self, op: Op, data: &serde_json::Value) -> String {
        Framing::new(self.version).encode(op, data)
    }

    fn websocket(&self) -> Websocket {
        Websocket {
            server: Arc::clone(&self.voice_server),
            connection: self.number,
            version: self.version,
            out: self.out.clone(),
        }
    }

    /// A client may come back and resume for a while; then it is taken out of voice.
    fn finish(self) {
        let (Some(user), number) = (self.user, self.number) else {
            return;
        };
        if self.server.voice.detach(user, number) {
            let grace = self.server.discord.config.voice_grace;
            let server = Arc::clone(&self.server);
            self.server.discord.later(grace, move || {
                if server.voice.is_abandoned(user, number) {
                    server.discord.counters.count("voice_abandoned");
                    server.leave_voice(user);
                }
            });
        }
    }
}
