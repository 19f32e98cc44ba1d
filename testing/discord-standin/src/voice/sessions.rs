//! The life of a bot's voice session: identify, select protocol, resume.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Calls, Voice,
    crypto::{Mode, Transport},
    member::{Client, Member},
    protocol::{Framing, Identify, Op, Resume, SelectProtocol, Version},
    server::VoiceServer,
};
use crate::{gateway::sessions::ToClient, snowflake::Snowflake};

/// Close codes of the voice gateway.
pub(crate) mod close {
    pub(crate) const UNKNOWN_OPERATION: u16 = 4001;
    pub(crate) const DECODE_ERROR: u16 = 4002;
    pub(crate) const NOT_AUTHENTICATED: u16 = 4003;
    pub(crate) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(crate) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(crate) const SESSION_INVALID: u16 = 4006;
    pub(crate) const SESSION_TIMEOUT: u16 = 4009;
    pub(crate) const SERVER_NOT_FOUND: u16 = 4011;
    pub(crate) const UNKNOWN_PROTOCOL: u16 = 4012;
    pub(crate) const UNKNOWN_MODE: u16 = 4016;
    pub(crate) const DAVE_REQUIRED: u16 = 4017;
    pub(crate) const BAD_REQUEST: u16 = 4020;

    /// The text that goes with a code.
    pub(crate) const fn reason(code: u16) -> &'static str {
        match code {
            UNKNOWN_OPERATION => "Unknown opcode.",
            DECODE_ERROR => "Failed to decode payload.",
            NOT_AUTHENTICATED => "Not authenticated.",
            AUTHENTICATION_FAILED => "Authentication failed.",
            ALREADY_AUTHENTICATED => "Already authenticated.",
            SESSION_INVALID => "Session is no longer valid.",
            SESSION_TIMEOUT => "Session timed out.",
            SERVER_NOT_FOUND => "Server not found.",
            UNKNOWN_PROTOCOL => "Unknown protocol.",
            4014 => "Disconnected.",
            4015 => "Voice server crashed.",
            UNKNOWN_MODE => "Unknown encryption mode.",
            4017 => "E2EE/DAVE protocol required",
            BAD_REQUEST => "Bad request.",
            4021 => "Disconnected: rate limited.",
            4022 => "Disconnected: call terminated.",
            _ => "",
        }
    }
}

/// A websocket task as a session sees it.
#[derive(Debug)]
pub(crate) struct Websocket {
    pub(crate) server: Arc<VoiceServer>,
    pub(crate) connection: u64,
    pub(crate) version: Version,
    pub(crate) out: mpsc::Sender<ToClient>,
}

impl Voice {
    /// Begins a bot's session and answers with Ready, or says which code to close with.
    pub(crate) fn identify(&self, websocket: Websocket, identify: &Identify) -> Result<(), u16> {
        if identify.server_id != self.guild {
            return Err(close::SERVER_NOT_FOUND);
        }
        if let Some(code) = self.refusals.lock().next(identify.user_id) {
            self.counters.count("voice_identifies_refused");
            return Err(code);
        }
        let mut calls = self.calls.lock();
        let fresh_ssrc = calls.fresh_ssrc();
        let Calls { members, groups, .. } = &mut *calls;
        let member = members.get_mut(&identify.user_id).ok_or(close::SESSION_INVALID)?;
        if member.person || member.token != identify.token {
            return Err(close::AUTHENTICATION_FAILED);
        }
        if member.session_id != identify.session_id || !member.is_on(&websocket.server) {
            return Err(close::SESSION_INVALID);
        }
        let dave = identify.max_dave_protocol_version.unwrap_or(0);
        if !groups.get(&member.channel).is_none_or(|group| group.admits(dave)) {
            return Err(close::DAVE_REQUIRED);
        }
        if let Some(before) = &mut member.client {
            // A second identify begins anew, with another source, as a reconnected client expects.
            before.hand_over(ToClient::Close(close::SESSION_INVALID));
            member.ssrc = fresh_ssrc;
            member.speaking = None;
        }
        let ready = ready(&websocket.server, member.ssrc);
        let client = member.client.insert(Client {
            connection: websocket.connection,
            framing: Framing::new(websocket.version),
            out: Some(websocket.out),
            address: None,
            transport: None,
            dave,
        });
        client.send(Op::Ready, &ready);
        Ok(())
    }

    /// Chooses the encryption and describes the session.
    pub(crate) fn select_protocol(&self, user: Snowflake, selected: &SelectProtocol) -> Result<(), u16> {
        if selected.protocol != "udp" {
            return Err(close::UNKNOWN_PROTOCOL);
        }
        let mode = Mode::from_name(&selected.data.mode).ok_or(close::UNKNOWN_MODE)?;
        let address = selected.data.address.parse().map_err(|_| close::BAD_REQUEST)?;
        let key: [u8; 32] = rand::random();
        let mut calls = self.calls.lock();
        let Calls { members, groups, .. } = &mut *calls;
        let member = members.get_mut(&user).ok_or(close::SESSION_INVALID)?;
        let channel = member.channel;
        let client = member.client.as_mut().ok_or(close::NOT_AUTHENTICATED)?;
        let (newcomer, dave) = (client.transport.is_none(), client.dave);
        let version = groups.get(&channel).map_or(0, |group| group.version_for(dave));
        client
            .address
            .get_or_insert(std::net::SocketAddr::new(address, selected.data.port));
        client.transport = Some(Transport::new(mode, &key));
        client.send(
            Op::SessionDescription,
            &json!({
                "mode": mode.name(), "secret_key": key, "audio_codec": "opus", "video_codec": "H264",
                "media_session_id": format!("{:032x}", rand::random::<u128>()), "dave_protocol_version": version,
            }),
        );
        if newcomer {
            calls.introduce(user);
            self.with_group(&mut calls, channel, |group, now| group.join(user, dave, now));
        }
        Ok(())
    }

    /// Carries a session on over a new websocket; returns whose it is.
    pub(crate) fn resume(&self, websocket: Websocket, resume: &Resume) -> Result<Snowflake, u16> {
        if resume.server_id != self.guild {
            return Err(close::SERVER_NOT_FOUND);
        }
        let mut calls = self.calls.lock();
        let (user, member) = calls
            .members
            .iter_mut()
            .find(|(_, member)| is_session(member, resume) && member.is_on(&websocket.server))
            .ok_or(close::SESSION_INVALID)?;
        let client = member.client.as_mut().ok_or(close::SESSION_INVALID)?;
        if client.framing.version() != websocket.version {
            return Err(close::SESSION_INVALID);
        }
        client.connection = websocket.connection;
        client.out = Some(websocket.out);
        client.send(Op::Resumed, &Value::Null);
        let acknowledged = resume.seq_ack.map(|seq| u16::try_from(seq).unwrap_or(0));
        for message in client.framing.missed(acknowledged) {
            client.hand_over(message);
        }
        self.counters.count("voice_resumes");
        Ok(*user)
    }

    /// Notes that a websocket is gone; true when the session is without one now.
    pub(crate) fn detach(&self, user: Snowflake, connection: u64) -> bool {
        let mut calls = self.calls.lock();
        let Some(client) = calls
            .members
            .get_mut(&user)
            .and_then(|member| member.client.as_mut())
            .filter(|client| client.connection == connection)
        else {
            return false;
        };
        client.out = None;
        true
    }

    /// Whether this websocket was the session's last and nothing has replaced it.
    pub(crate) fn is_abandoned(&self, user: Snowflake, connection: u64) -> bool {
        self.calls
            .lock()
            .members
            .get(&user)
            .and_then(|member| member.client.as_ref())
            .is_some_and(|client| client.connection == connection && client.out.is_none())
    }

    /// Op 5 of a bot.
    pub(crate) fn speaking_update(&self, user: Snowflake, flags: u32, ssrc: Option<u32>) {
        let own = self.calls.lock().members.get(&user).map(|member| member.ssrc);
        if ssrc.is_some() && ssrc != own {
            self.counters.count("voice_speaking_wrong_ssrc");
        }
        self.set_speaking(user, flags);
        self.counters.count("voice_speaking_updates");
    }
}

fn ready(server: &VoiceServer, ssrc: u32) -> Value {
    let address = server.address();
    json!({
        "ssrc": ssrc, "ip": address.ip(), "port": address.port(),
        "modes": Mode::OFFERED.map(Mode::name), "experiments": [], "streams": [],
    })
}

fn is_session(member: &Member, resume: &Resume) -> bool {
    !member.person && member.session_id == resume.session_id && member.token == resume.token
}
