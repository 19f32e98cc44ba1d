//! One gateway websocket.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::extract::ws::WebSocket;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Parameters, close,
    identify::{Refused, admit, bare},
    payload::{self, Identify, Operation, Resume},
    sessions::{Attachment, QUEUE, ToClient},
    wire::{Flow, Incoming, Wire},
};
use crate::{
    envelope::{DecodeError, Envelope},
    server::Server,
    snowflake::Snowflake,
};

const HEARTBEAT: u64 = 1;
/// A client that misses this many intervals is a zombie.
const INTERVALS_ALLOWED: u32 = 2;
/// Discord's limit of messages from a client.
const RATE: (usize, Duration) = (120, Duration::from_mins(1));

struct Connection {
    server: Arc<Server>,
    number: u64,
    out: mpsc::Sender<ToClient>,
    session: Option<(String, Snowflake)>,
    recent: VecDeque<Instant>,
    /// Until when the client has to send a heartbeat.
    deadline: Instant,
}

/// Serves a gateway websocket until either side ends it.
pub(super) async fn run(server: Arc<Server>, socket: WebSocket, parameters: Parameters) {
    let compressed = parameters.compress.as_deref() == Some("zlib-stream");
    let mut wire = Wire::new(socket, compressed, close::reason);
    if parameters.v != 10 {
        wire.close(close::INVALID_VERSION).await;
        return;
    }
    if parameters.encoding.is_some_and(|encoding| encoding != "json") {
        wire.close(close::DECODE_ERROR).await;
        return;
    }
    let (out, mut inbox) = mpsc::channel(QUEUE);
    let patience = server.config.heartbeat_interval * INTERVALS_ALLOWED;
    let mut connection = Connection {
        deadline: Instant::now() + patience,
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
        let interval = u64::try_from(self.server.config.heartbeat_interval.as_millis()).unwrap_or_default();
        let hello = json!({
            "t": null, "s": null, "op": 10, "d": {"heartbeat_interval": interval, "_trace": []},
        });
        if wire.send(hello.to_string()).await == Flow::Ends {
            return None;
        }
        loop {
            let flow = tokio::select! {
                () = cancel.cancelled() => wire.close(1001).await,
                () = tokio::time::sleep_until(self.deadline) => self.refuse(wire, close::SESSION_TIMEOUT).await,
                message = inbox.recv() => match message {
                    Some(message) => wire.carry_out(message).await,
                    None => Flow::Ends,
                },
                incoming = wire.receive() => match incoming {
                    Incoming::Closed(code) => return code.or(Some(1006)),
                    Incoming::Text(text) => self.take(wire, &text).await,
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
        let session = self.live_session();
        let decoded = Envelope::open(text).and_then(|message| {
            if message.op != HEARTBEAT {
                let user = session.as_ref().map(|(_, user)| *user);
                self.server.gateway_log.operation(user, message.op, &message.data);
            }
            payload::decode(message)
        });
        let operation = match decoded {
            Ok(operation) => operation,
            Err(DecodeError::Malformed) => return self.refuse(wire, close::DECODE_ERROR).await,
            Err(DecodeError::UnknownOperation) => {
                return self.refuse(wire, close::UNKNOWN_OPERATION).await;
            }
        };
        match (operation, session) {
            (Operation::Heartbeat(seen), session) => {
                self.heartbeat(session.as_ref().map(|(id, _)| id.as_str()), seen);
                wire.send(json!({"op": 11}).to_string()).await
            }
            (Operation::Identify(identify), None) => self.identify(wire, &identify).await,
            (Operation::Resume(resume), None) => self.resume(wire, &resume).await,
            (Operation::Identify(_) | Operation::Resume(_), Some(_)) => {
                self.refuse(wire, close::ALREADY_AUTHENTICATED).await
            }
            (_, None) => self.refuse(wire, close::NOT_AUTHENTICATED).await,
            (Operation::PresenceUpdate(presence), Some((session, _))) => {
                self.server.world.lock().set_presence(&session, presence);
                Flow::Goes
            }
            (Operation::VoiceStateUpdate(update), Some((session, user))) => {
                self.server.voice_state_update(user, &session, &update);
                Flow::Goes
            }
            (Operation::RequestMembers(request), Some((session, _))) => {
                if !self.server.world.lock().send_members(&session, &request) {
                    self.server.counters.count("gateway_members_not_permitted");
                }
                Flow::Goes
            }
        }
    }

    async fn identify(&mut self, wire: &mut Wire, identify: &Identify) -> Flow {
        let server = Arc::clone(&self.server);
        let user = match admit(&server, identify) {
            Ok(user) => user,
            Err(Refused::Close(code)) => return self.refuse(wire, code).await,
            Err(Refused::InvalidSession) => return wire.send(json!({"op": 9, "d": false}).to_string()).await,
        };
        let mut world = server.world.lock();
        let session = world.sessions.begin(user, identify.intents, self.attachment());
        world.greet(&session, &server.info.gateway);
        if let Some(presence) = &identify.presence {
            world.set_presence(&session, presence.clone());
        }
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

    /// Notes a heartbeat; the client is heard of, and what it says it has seen is compared.
    fn heartbeat(&mut self, session: Option<&str>, seen: Option<u64>) {
        self.deadline = Instant::now() + self.server.config.heartbeat_interval * INTERVALS_ALLOWED;
        let now = self.server.clock.now_ns();
        let mut world = self.server.world.lock();
        let Some(session) = session.and_then(|id| world.sessions.get_mut(id)) else {
            return;
        };
        session.heartbeats += 1;
        session.last_heartbeat_ns = Some(now);
        if seen.is_some_and(|seen| seen > session.sequence) {
            self.server.counters.count("gateway_heartbeats_from_the_future");
        }
    }

    /// The session of this connection, unless it was ended from outside: then the client may identify again.
    fn live_session(&mut self) -> Option<(String, Snowflake)> {
        let world = self.server.world.lock();
        self.session.take_if(|(id, _)| !world.sessions.contains(id));
        self.session.clone()
    }

    async fn refuse(&self, wire: &mut Wire, code: u16) -> Flow {
        self.server.counters.count(close::counter(code));
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
