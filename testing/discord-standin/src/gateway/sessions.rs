//! Gateway sessions: numbered events, kept for a resume.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{intents, log::GatewayLog, payload::Presence};
use crate::{guild::Guild, snowflake::Snowflake};

/// Events kept for a resume.
const KEPT: usize = 1_000;
/// Messages that may wait for a slow client before its connection is closed.
pub(crate) const QUEUE: usize = 1_000;

/// What a websocket task is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToClient {
    /// Send this JSON.
    Text(String),
    /// Send these bytes, which no compression touches.
    Binary(Vec<u8>),
    /// Close with this code.
    Close(u16),
    /// Drop the connection without a close frame.
    Cut,
    /// Keep the connection and send nothing more over it, whatever comes.
    Silence,
}

/// The way to a websocket task; each websocket has a number of its own.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) connection: u64,
    pub(crate) out: mpsc::Sender<ToClient>,
}

/// One session of a bot, which may outlive its websocket.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: Snowflake,
    pub(crate) intents: u64,
    pub(crate) sequence: u64,
    pub(crate) resumes: u64,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) presence: Option<Presence>,
    /// Heartbeats of the client, and when the last one came.
    pub(crate) heartbeats: u64,
    pub(crate) last_heartbeat_ns: Option<u64>,
    log: Arc<GatewayLog>,
    sent: VecDeque<(u64, String)>,
}

impl Session {
    fn new(user: Snowflake, intents: u64, attachment: Attachment, log: Arc<GatewayLog>) -> Self {
        Self {
            user,
            intents,
            sequence: 0,
            resumes: 0,
            attachment: Some(attachment),
            presence: None,
            heartbeats: 0,
            last_heartbeat_ns: None,
            log,
            sent: VecDeque::new(),
        }
    }

    /// Numbers an event, keeps it and sends it if there is a websocket.
    pub(crate) fn dispatch(&mut self, name: &str, data: &Value) {
        self.sequence += 1;
        self.log.event(self.user, self.sequence, name, data);
        let text = json!({"t": name, "s": self.sequence, "op": 0, "d": data}).to_string();
        if self.sent.len() == KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((self.sequence, text.clone()));
        self.send(ToClient::Text(text));
    }

    /// Sends `GUILD_CREATE` of a guild that the bot is in, if it has asked for guilds.
    pub(crate) fn introduce(&mut self, guild: &Guild) {
        let asked = |intent| self.intents & intent != 0;
        if asked(intents::GUILDS) {
            let (with_voice, all_members) = (asked(intents::GUILD_VOICE_STATES), asked(intents::GUILD_MEMBERS));
            let data = guild.create_json(self.user, with_voice, all_members);
            self.dispatch("GUILD_CREATE", &data);
        }
    }

    /// Hands something to the websocket task; a client that does not read loses its websocket.
    pub(crate) fn send(&mut self, message: ToClient) {
        let refused = self
            .attachment
            .as_ref()
            .is_some_and(|attachment| attachment.out.try_send(message).is_err());
        if refused {
            self.attachment = None;
        }
    }

    /// Sends everything after `sequence` again; false when that is no longer or not yet known.
    fn replay(&mut self, sequence: u64) -> bool {
        let oldest = self.sent.front().map_or(self.sequence, |(number, _)| number - 1);
        if sequence > self.sequence || sequence < oldest {
            return false;
        }
        let missed: Vec<_> = self
            .sent
            .iter()
            .filter(|(number, _)| *number > sequence)
            .map(|(_, text)| text.clone())
            .collect();
        for text in missed {
            self.send(ToClient::Text(text));
        }
        true
    }
}

/// All sessions by id.
#[derive(Debug)]
pub(crate) struct Sessions {
    by_id: BTreeMap<String, Session>,
    log: Arc<GatewayLog>,
}

impl Sessions {
    /// No sessions yet; their events go to `log`.
    pub(crate) const fn new(log: Arc<GatewayLog>) -> Self {
        Self {
            by_id: BTreeMap::new(),
            log,
        }
    }

    /// Begins a session and returns its id.
    pub(crate) fn begin(&mut self, user: Snowflake, intents: u64, attachment: Attachment) -> String {
        let id = format!("{:032x}", rand::random::<u128>());
        let session = Session::new(user, intents, attachment, Arc::clone(&self.log));
        self.by_id.insert(id.clone(), session);
        id
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Session)> {
        self.by_id.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_id.values_mut()
    }

    /// The sessions of one user.
    pub(crate) fn of_user(&mut self, user: Snowflake) -> impl Iterator<Item = &mut Session> {
        self.by_id.values_mut().filter(move |session| session.user == user)
    }

    /// Carries a session on over a new websocket, or says that it cannot be.
    pub(crate) fn resume(&mut self, id: &str, user: Snowflake, sequence: u64, attachment: Attachment) -> bool {
        let Some(session) = self.by_id.get_mut(id).filter(|session| session.user == user) else {
            return false;
        };
        let before = session.attachment.replace(attachment);
        if !session.replay(sequence) {
            session.attachment = before;
            return false;
        }
        session.resumes += 1;
        session.dispatch("RESUMED", &json!({"_trace": []}));
        true
    }

    /// Notes that a websocket is gone. True if the session is without one now.
    pub(crate) fn detach(&mut self, id: &str, connection: u64) -> bool {
        let Some(session) = self.by_id.get_mut(id) else {
            return false;
        };
        let current = session
            .attachment
            .as_ref()
            .is_none_or(|attachment| attachment.connection == connection);
        if current {
            session.attachment = None;
        }
        current
    }

    /// Ends a session.
    pub(crate) fn end(&mut self, id: &str) -> Option<Session> {
        self.by_id.remove(id)
    }

    /// Ends a session unless it has a websocket.
    pub(crate) fn end_if_detached(&mut self, id: &str) -> Option<Session> {
        if self.by_id.get(id)?.attachment.is_some() {
            return None;
        }
        self.by_id.remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn no_sessions() -> Sessions {
        Sessions::new(Arc::new(GatewayLog::new(Clock::new())))
    }

    fn attachment(connection: u64) -> (Attachment, mpsc::Receiver<ToClient>) {
        let (out, inbox) = mpsc::channel(QUEUE);
        (Attachment { connection, out }, inbox)
    }

    fn texts(inbox: &mut mpsc::Receiver<ToClient>) -> Vec<Value> {
        std::iter::from_fn(|| inbox.try_recv().ok())
            .filter_map(|message| match message {
                ToClient::Text(text) => serde_json::from_str(&text).ok(),
                ToClient::Binary(_) | ToClient::Close(_) | ToClient::Cut | ToClient::Silence => None,
            })
            .collect()
    }

    #[test]
    fn a_resume_replays_what_was_missed_and_nothing_else() {
        let mut sessions = no_sessions();
        let (first, mut inbox) = attachment(1);
        let id = sessions.begin(Snowflake(1), 0, first);
        let session = sessions.get_mut(&id).unwrap();
        session.dispatch("A", &json!({}));
        assert_eq!(texts(&mut inbox).len(), 1);
        assert!(sessions.detach(&id, 1));
        sessions.get_mut(&id).unwrap().dispatch("B", &json!({}));

        let (second, mut inbox) = attachment(2);
        assert!(sessions.resume(&id, Snowflake(1), 1, second));
        let names: Vec<_> = texts(&mut inbox)
            .iter()
            .map(|event| event["t"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["B", "RESUMED"]);
    }

    #[test]
    fn a_resume_of_another_user_or_from_the_future_is_refused() {
        let mut sessions = no_sessions();
        let id = sessions.begin(Snowflake(1), 0, attachment(1).0);
        assert!(!sessions.resume(&id, Snowflake(2), 0, attachment(2).0));
        assert!(!sessions.resume(&id, Snowflake(1), 9, attachment(2).0));
        assert!(!sessions.resume("unknown", Snowflake(1), 0, attachment(2).0));
    }

    #[test]
    fn an_old_websocket_does_not_detach_a_new_one() {
        let mut sessions = no_sessions();
        let id = sessions.begin(Snowflake(1), 0, attachment(1).0);
        let (second, _inbox) = attachment(2);
        assert!(sessions.resume(&id, Snowflake(1), 0, second));
        assert!(!sessions.detach(&id, 1));
        assert!(sessions.end_if_detached(&id).is_none());
    }
}
