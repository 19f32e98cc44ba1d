//! One gateway websocket.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::extract::ws::WebSocket;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Parameters, intents,
    payload::{self, DecodeError, Identify, Operation, RequestMembers, Resume},
    sessions::{Attachment, QUEUE, ToClient},
    wire::{Flow, Incoming, Wire},
};
use crate::{guild::GUILD, server::Server, snowflake::Snowflake};

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(41_250);
/// A client that misses this many intervals is a zombie.
const INTERVALS_ALLOWED: u32 = 2;
/// Discord's limit of messages from a client.
const RATE: (usize, Duration) = (120, Duration::from_mins(1));

/// Close codes of the gateway.
mod close {
    pub(super) const UNKNOWN_OPERATION: u16 = 4001;
    pub(super) const DECODE_ERROR: u16 = 4002;
    pub(super) const NOT_AUTHENTICATED: u16 = 4003;
    pub(super) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(super) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(super) const RATE_LIMITED: u16 = 4008;
    pub(super) const SESSION_TIMEOUT: u16 = 4009;
    pub(super) const INVALID_VERSION: u16 = 4012;
    pub(super) const INVALID_INTENTS: u16 = 4013;
}

struct Connection {
    server: Arc<Server>,
    number: u64,
    out: mpsc::Sender<ToClient>,
    session: Option<(String, Snowflake)>,
    recent: VecDeque<Instant>,
}

/// Serves a gateway websocket until either side ends it.
pub(super) async fn run(server: Arc<Server>, socket: WebSocket, parameters: Parameters) {
    let compressed = parameters.compress.as_deref() == Some("zlib-stream");
    let mut wire = Wire::new(socket, compressed);
    if parameters.v != 10 {
        wire.close(close::INVALID_VERSION).await;
        return;
    }
    if parameters.encoding.is_some_and(|encoding| encoding != "json") {
        wire.close(close::DECODE_ERROR).await;
        return;
    }
    let (out, mut inbox) = mpsc::channel(QUEUE);
    let mut connection = Connection {
        number: server.next_connection(),
        server,
        out,
        session: None,
        recent: VecDeque::new(),
    };
    let ended_by_client = connection.serve(&mut wire, &mut inbox).await;
    connection.finish(ended_by_client);
}

impl Connection {
    /// Returns the client's close code if it was the client who ended.
    async fn serve(&mut self, wire: &mut Wire, inbox: &mut mpsc::Receiver<ToClient>) -> Option<u16> {
        let cancel = self.server.cancel.clone();
        let interval = u64::try_from(HEARTBEAT_INTERVAL.as_millis()).unwrap_or_default();
        let hello = json!({
            "t": null, "s": null, "op": 10, "d": {"heartbeat_interval": interval, "_trace": []},
        });
        if wire.send(hello.to_string()).await == Flow::Ends {
            return None;
        }
        let mut deadline = Instant::now() + HEARTBEAT_INTERVAL * INTERVALS_ALLOWED;
        loop {
            let flow = tokio::select! {
                () = cancel.cancelled() => wire.close(1001).await,
                () = tokio::time::sleep_until(deadline) => wire.close(close::SESSION_TIMEOUT).await,
                message = inbox.recv() => match message {
                    Some(message) => wire.carry_out(message).await,
                    None => Flow::Ends,
                },
                incoming = wire.receive() => match incoming {
                    Incoming::Closed(code) => return code.or(Some(1006)),
                    Incoming::Text(text) => {
                        if is_heartbeat(&text) {
                            deadline = Instant::now() + HEARTBEAT_INTERVAL * INTERVALS_ALLOWED;
                        }
                        self.take(wire, &text).await
                    }
                    Incoming::Binary(bytes) => match String::from_utf8(bytes) {
                        Ok(text) => self.take(wire, &text).await,
                        Err(_) => self.refuse(wire, close::DECODE_ERROR).await,
                    },
                },
            };
            if flow == Flow::Ends {
                return None;
            }
        }
    }

    async fn take(&mut self, wire: &mut Wire, text: &str) -> Flow {
        if !self.within_rate() {
            return self.refuse(wire, close::RATE_LIMITED).await;
        }
        let operation = match payload::decode(text) {
            Ok(operation) => operation,
            Err(DecodeError::Malformed) => return self.refuse(wire, close::DECODE_ERROR).await,
            Err(DecodeError::UnknownOperation) => {
                return self.refuse(wire, close::UNKNOWN_OPERATION).await;
            }
        };
        match (operation, self.session.clone()) {
            (Operation::Heartbeat, _) => wire.send(json!({"op": 11}).to_string()).await,
            (Operation::Identify(identify), None) => self.identify(wire, &identify).await,
            (Operation::Resume(resume), None) => self.resume(wire, &resume).await,
            (Operation::Identify(_) | Operation::Resume(_), Some(_)) => {
                self.refuse(wire, close::ALREADY_AUTHENTICATED).await
            }
            (_, None) => self.refuse(wire, close::NOT_AUTHENTICATED).await,
            (Operation::PresenceUpdate, Some(_)) => Flow::Goes,
            (Operation::VoiceStateUpdate(update), Some((session, user))) => {
                self.server.voice_state_update(user, &session, &update);
                Flow::Goes
            }
            (Operation::RequestMembers(request), Some((session, _))) => {
                self.send_members(&session, &request);
                Flow::Goes
            }
        }
    }

    async fn identify(&mut self, wire: &mut Wire, identify: &Identify) -> Flow {
        let server = Arc::clone(&self.server);
        let Some(user) = server.world.lock().guild.bot_by_token(bare(&identify.token)) else {
            return self.refuse(wire, close::AUTHENTICATION_FAILED).await;
        };
        if identify.intents & !intents::KNOWN != 0 {
            return self.refuse(wire, close::INVALID_INTENTS).await;
        }
        let mut world = server.world.lock();
        let session = world.sessions.begin(user, identify.intents, self.attachment());
        world.greet(&session, &server.info.gateway);
        self.session = Some((session, user));
        server.counters.count("gateway_identifies");
        Flow::Goes
    }

    async fn resume(&mut self, wire: &mut Wire, resume: &Resume) -> Flow {
        let server = Arc::clone(&self.server);
        let attachment = self.attachment();
        let resumed = {
            let mut world = server.world.lock();
            world.guild.bot_by_token(bare(&resume.token)).map(|user| {
                let carried = world.sessions.resume(&resume.session_id, user, resume.seq, attachment);
                (user, carried)
            })
        };
        match resumed {
            None => self.refuse(wire, close::AUTHENTICATION_FAILED).await,
            Some((user, true)) => {
                self.session = Some((resume.session_id.clone(), user));
                server.counters.count("gateway_resumes");
                Flow::Goes
            }
            Some((_, false)) => {
                server.counters.count("gateway_resumes_refused");
                wire.send(json!({"op": 9, "d": false}).to_string()).await
            }
        }
    }

    fn send_members(&self, session: &str, request: &RequestMembers) {
        let mut world = self.server.world.lock();
        let members = world.guild.members_json();
        let data = json!({
            "guild_id": GUILD, "members": members, "chunk_index": 0, "chunk_count": 1, "not_found": [],
            "nonce": request.nonce,
        });
        if let Some(session) = world.sessions.get_mut(session) {
            session.dispatch("GUILD_MEMBERS_CHUNK", &data);
        }
    }

    async fn refuse(&self, wire: &mut Wire, code: u16) -> Flow {
        self.server.counters.count(match code {
            close::UNKNOWN_OPERATION => "gateway_unknown_operations",
            close::DECODE_ERROR => "gateway_decode_errors",
            close::NOT_AUTHENTICATED => "gateway_not_authenticated",
            close::AUTHENTICATION_FAILED => "gateway_authentication_failures",
            close::RATE_LIMITED => "gateway_rate_limited",
            close::INVALID_INTENTS => "gateway_invalid_intents",
            _ => "gateway_refusals",
        });
        wire.close(code).await
    }

    fn within_rate(&mut self) -> bool {
        let (most, window) = RATE;
        let now = Instant::now();
        while self.recent.front().is_some_and(|at| now - *at > window) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() <= most
    }

    fn attachment(&self) -> Attachment {
        Attachment {
            connection: self.number,
            out: self.out.clone(),
        }
    }

    /// Ends the session, or lets it wait for a resume.
    fn finish(self, ended_by_client: Option<u16>) {
        let Some((session, _)) = self.session else {
            return;
        };
        if matches!(ended_by_client, Some(1000 | 1001)) {
            self.server.end_session(&session, false);
            return;
        }
        if self.server.world.lock().sessions.detach(&session, self.number) {
            let grace = self.server.config.session_grace;
            self.server
                .later(grace, move |server| server.end_session(&session, true));
        }
    }
}

fn is_heartbeat(text: &str) -> bool {
    matches!(payload::decode(text), Ok(Operation::Heartbeat))
}

fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}
