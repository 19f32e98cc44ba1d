//! A raw client that takes part in a channel's encryption; davey is its MLS end.

use std::{collections::HashMap, num::NonZeroU16};

use davey::{DaveSession, MediaType, ProposalsOperationType};
use discord_standin::Standin;
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Event, Voice, log_in},
    crypto::MODES,
};

/// What the gateway said last about the group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Json(u64, Value),
    ExternalSender,
    /// With the commit and welcome that answer them.
    Proposals(Option<Vec<u8>>),
    /// Transition and commit.
    Commit(u16, Vec<u8>),
    /// Transition and welcome.
    Welcome(u16, Vec<u8>),
}

pub(crate) struct Member {
    pub(crate) voice: Voice,
    pub(crate) session: DaveSession,
    pub(crate) user: u64,
    /// The last number of version 8.
    pub(crate) sequence: u64,
    /// The version that is spoken.
    pub(crate) version: u16,
    pub(crate) pending: HashMap<u64, u16>,
    gateway: u8,
    channel: u64,
}

impl Member {
    /// Logs in as a bot of this name, which is made, joins and sends a key package.
    pub(crate) async fn join(standin: &Standin, name: &str, gateway: u8) -> Self {
        let mut member = Self::connect(standin, name, gateway).await;
        member.send_key_package().await;
        member
    }

    /// The same without a key package.
    pub(crate) async fn connect(standin: &Standin, name: &str, gateway: u8) -> Self {
        let info = standin.info().clone();
        let account = standin.control().create_bot(name, name).await.unwrap();
        let bot = log_in(&info, name).await;
        let voice = Voice::join_with(&info, bot, &account.id, gateway, MODES[0], Some(1)).await;
        let (user, channel) = (account.id.parse().unwrap(), info.voice_channel_id.parse().unwrap());
        let version = voice.described["d"]["dave_protocol_version"].as_u64().unwrap();
        let mut member = Self {
            sequence: voice.described["seq"].as_u64().unwrap_or(0),
            voice,
            session: DaveSession::new(NonZeroU16::MIN, user, channel, None).unwrap(),
            user,
            version: u16::try_from(version).unwrap(),
            pending: HashMap::new(),
            gateway,
            channel,
        };
        member.voice.announce().await;
        member
    }

    pub(crate) async fn send_key_package(&mut self) {
        let package = self.session.create_key_package().unwrap();
        self.send_binary(26, &package).await;
    }

    /// Forgets its group and begins with new keys.
    pub(crate) async fn begin_anew(&mut self) {
        self.session
            .reinit(NonZeroU16::MIN, self.user, self.channel, None)
            .unwrap();
        self.send_key_package().await;
    }

    pub(crate) async fn send_binary(&mut self, op: u8, body: &[u8]) {
        let message = [&[op], body].concat();
        self.voice.socket.0.send(Message::binary(message)).await.unwrap();
    }

    pub(crate) async fn send_transition(&mut self, op: u64, transition: u16) {
        let message = json!({"op": op, "d": {"transition_id": transition}});
        self.voice.socket.send(message).await;
    }

    /// The next message about the group, with proposals answered in the session but not to the gateway.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            match self.voice.socket.next().await {
                Event::Json(message, _) => {
                    self.sequence = message["seq"].as_u64().unwrap_or(self.sequence);
                    let op = message["op"].as_u64().unwrap();
                    if matches!(op, 21 | 22 | 24) {
                        return Step::Json(op, message["d"].clone());
                    }
                }
                Event::Binary(bytes) => return self.take_binary(&bytes),
                closed @ Event::Closed(_) => panic!("unexpected {closed:?}"),
            }
        }
    }

    fn take_binary(&mut self, bytes: &[u8]) -> Step {
        let bytes = if self.gateway == 8 {
            let (sequence, rest) = bytes.split_first_chunk().unwrap();
            self.sequence = u16::from_be_bytes(*sequence).into();
            rest
        } else {
            bytes
        };
        let (op, body) = bytes.split_first().unwrap();
        match op {
            25 => {
                self.session.set_external_sender(body).unwrap();
                Step::ExternalSender
            }
            27 => {
                let (operation, proposals) = body.split_first().unwrap();
                let operation = match operation {
                    0 => ProposalsOperationType::APPEND,
                    _ => ProposalsOperationType::REVOKE,
                };
                let made = self.session.process_proposals(operation, proposals, None).unwrap();
                Step::Proposals(made.map(|made| [made.commit, made.welcome.unwrap_or_default()].concat()))
            }
            29 | 30 => {
                let (transition, message) = body.split_first_chunk().unwrap();
                let (transition, message) = (u16::from_be_bytes(*transition), message.to_vec());
                if *op == 29 {
                    Step::Commit(transition, message)
                } else {
                    Step::Welcome(transition, message)
                }
            }
            other => panic!("unexpected operation {other}"),
        }
    }

    /// Answers a step as a client does.
    pub(crate) async fn answer(&mut self, step: Step) {
        match step {
            Step::ExternalSender | Step::Proposals(None) => {}
            Step::Proposals(Some(commit)) => self.send_binary(28, &commit).await,
            Step::Commit(transition, commit) => {
                self.session.process_commit(&commit).unwrap();
                self.prepared(transition, 1).await;
            }
            Step::Welcome(transition, welcome) => {
                self.session.process_welcome(&welcome).unwrap();
                self.prepared(transition, 1).await;
            }
            Step::Json(21, data) => {
                let version = u16::try_from(data["protocol_version"].as_u64().unwrap()).unwrap();
                match u16::try_from(data["transition_id"].as_u64().unwrap()).unwrap() {
                    0 => self.version = version,
                    id => self.prepared(id, version).await,
                }
            }
            Step::Json(22, data) => {
                let id = data["transition_id"].as_u64().unwrap();
                self.version = self.pending.remove(&id).expect("a transition that was prepared");
            }
            Step::Json(24, data) => {
                assert_eq!(data, json!({"protocol_version": 1, "epoch": 1}));
                self.begin_anew().await;
            }
            Step::Json(op, _) => panic!("unexpected operation {op}"),
        }
    }

    async fn prepared(&mut self, transition: u16, version: u16) {
        self.pending.insert(transition.into(), version);
        self.send_transition(23, transition).await;
    }

    /// Answers what comes until `reached`.
    pub(crate) async fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            let step = self.next().await;
            self.answer(step).await;
        }
    }

    /// Answers what comes until it is in a group with exactly `members`, and nothing is under way.
    pub(crate) async fn until_with(&mut self, mut members: Vec<u64>) {
        members.sort_unstable();
        self.until(|member| {
            let mut present = member.session.get_user_ids().unwrap_or_default();
            present.sort_unstable();
            present == members && member.session.is_ready() && member.is_settled()
        })
        .await;
    }

    fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.session.status() == davey::SessionStatus::ACTIVE
    }

    /// Says something encrypted.
    pub(crate) async fn say(&mut self, opus: &[u8]) {
        let encrypted = self.session.encrypt_opus(opus).unwrap().into_owned();
        self.voice.say(&encrypted).await;
    }

    /// The next frame, decrypted as `speaker`'s.
    pub(crate) async fn hear(&mut self, speaker: u64) -> Vec<u8> {
        let (_, frame) = self.voice.hear().await;
        self.session.decrypt(speaker, MediaType::AUDIO, &frame).unwrap()
    }
}
