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
    discord::Discord,
    envelope::{DecodeError, Envelope},
    snowflake::Snowflake,
};

const HEARTBEAT: u64 = 1;
/// A client that misses this many intervals is a zombie.
const INTERVALS_ALLOWED: u32 = 2;
/// Discord's limit of messages from a client.
const RATE: (usize, Duration) = (120, Duration::from_mins(1));

struct Connection {
    discord: Arc<Discord>,
    number: u64,
    out: mpsc::Sender<ToClient>,
    session: Option<(String, Snowflake)>,
    recent: VecDeque<Instant>,
    /// Until when the client has to send a heartbeat.
    deadline: Instant,
}

/// Serves a gateway websocket until either side ends it.
pub(super) async fn run(discord: Arc<Discord>, socket: WebSocket, parameters: Parameters) {
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
    let patience = discord.config.heartbeat_interval * INTERVALS_ALLOWED;
    let mut connection = Connection {
        deadline: Instant::now() + patience,
        number: discord.next_connection(),
        discord,
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
        let cancel = self.discord.cancel.clone();
        let interval = u64::try_from(self.discord.config.heartbeat_interval.as_millis()).unwrap_or_default();
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
                self.discord.gateway_log.operation(user, message.op, &message.data);
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
                self.discord.set_presence(&session, &presence);
                Flow::Goes
            }
            (Operation::VoiceStateUpdate(update), Some((session, user))) => {
                self.discord.voice_state_update(user, &session, &update);
                Flow::Goes
            }
            (Operation::RequestMembers(request), Some((session, _))) => {
                if !self.discord.send_members(&session, &request) {
                    self.discord.counters.count("gateway_members_not_permitted");
                }
                Flow::Goes
            }
        }
    }

    async fn identify(&mut self, wire: &mut Wire, identify: &Identify) -> Flow {
        let discord = Arc::clone(&self.discord);
        let user = match admit(&discord, identify) {
            Ok(user) => user,
            Err(Refused::Close(code)) => return self.refuse(wire, code).await,
            Err(Refused::InvalidSession) => return wire.send(json!({"op": 9, "d": false}).to_string()).await,
        };
        let Some(session) = discord.begin_session(user, identify, self.attachment()) else {
            return self.refuse(wire, close::AUTHENTICATION_FAILED).await;
        };
        if let Some(presence) = &identify.presence {
            discord.set_presence(&session, presence);
        }
        self.session = Some((session, user));
        discord.counters.count("gateway_identifies");
        Flow::Goes
    }

    async fn resume(&mut self, wire: &mut Wire, resume: &Resume) -> Flow {
        let discord = Arc::clone(&self.discord);
        let attachment = self.attachment();
        let user = discord.bots.lock().by_token(bare(&resume.token));
        let resumed = user.map(|user| {
            let mut sessions = discord.sessions.lock();
            let carried = sessions.resume(&resume.session_id, user, resume.seq, attachment);
            (user, carried)
        });
        match resumed {
            None => self.refuse(wire, close::AUTHENTICATION_FAILED).await,
            Some((user, true)) => {
                self.session = Some((resume.session_id.clone(), user));
                discord.counters.count("gateway_resumes");
                Flow::Goes
            }
            Some((_, false)) => {
                discord.counters.count("gateway_resumes_refused");
                wire.send(json!({"op": 9, "d": false}).to_string()).await
            }
        }
    }

    /// Notes a heartbeat; the client is heard of, and what it says it has seen is compared.
    fn heartbeat(&mut self, session: Option<&str>, seen: Option<u64>) {
        self.deadline = Instant::now() + self.discord.config.heartbeat_interval * INTERVALS_ALLOWED;
        let now = self.discord.clock.now_ns();
        let mut sessions = self.discord.sessions.lock();
        let Some(session) = session.and_then(|id| sessions.get_mut(id)) else {
            return;
        };
        session.heartbeats += 1;
        session.last_heartbeat_ns = Some(now);
        if seen.is_some_and(|seen| seen > session.sequence) {
            self.discord.counters.count("gateway_heartbeats_from_the_future");
        }
    }

    /// The session of this connection, unless it was ended from outside: then the client may identify again.
    fn live_session(&mut self) -> Option<(String, Snowflake)> {
        let sessions = self.discord.sessions.lock();
        self.session.take_if(|(id, _)| !sessions.contains(id));
        self.session.clone()
    }

    async fn refuse(&self, wire: &mut Wire, code: u16) -> Flow {
        self.discord.counters.count(close::counter(code));
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
            self.discord.end_session(&session, false);
            return;
        }
        if self.discord.sessions.lock().detach(&session, self.number) {
            let grace = self.discord.config.session_grace;
            let discord = Arc::clone(&self.discord);
            self.discord.later(grace, move || discord.end_session(&session, true));
        }
    }
}
