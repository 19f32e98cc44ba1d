//! Raw clients: a gateway session, a voice session, and a UDP socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use discord_standin::{
    Config, ControlClient, Info, Standin,
    types::{DavePolicy, State},
};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, header::HeaderMap};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async, connect_async_tls_with_config, tungstenite::Message,
};

use crate::crypto::Transport;

/// Nothing here takes longer unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Guilds, voice states, guild messages.
pub(crate) const INTENTS: u64 = 1 | 1 << 7 | 1 << 9;

/// A stand-in without end-to-end encryption, for what has nothing to do with it.
pub(crate) async fn standin() -> Standin {
    standin_with(DavePolicy::Off).await
}

/// A stand-in in which a bot may identify as often as it likes.
pub(crate) async fn standin_with(dave: DavePolicy) -> Standin {
    let config = Config {
        dave,
        identify_spacing: Duration::ZERO,
        ..Config::default()
    };
    Standin::start(config).await.unwrap()
}

/// Asks the REST interface and gives back status, headers and JSON.
pub(crate) async fn rest(
    info: &Info,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (u16, HeaderMap, Value) {
    let mut request = reqwest::Client::new().request(method, format!("{}/api/v10{path}", info.api_base));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bot {token}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap_or_default())
}

/// Polls the stand-in's state until `f` finds what it looks for.
pub(crate) async fn eventually<T>(standin: &Standin, f: impl Fn(&State) -> Option<T>) -> T {
    until(&standin.control(), f).await
}

/// The same for the state of one guild.
pub(crate) async fn until<T>(control: &ControlClient, f: impl Fn(&State) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = f(&control.state().await.unwrap()) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, search).await.expect("the state was never reached")
}

/// Waits until a counter is at least `least`.
pub(crate) async fn counted(standin: &Standin, name: &str, least: u64) {
    eventually(standin, |state| {
        state.counters.get(name).filter(|n| **n >= least).map(drop)
    })
    .await;
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What came over a websocket.
#[derive(Debug)]
pub(crate) enum Event {
    Json(Value, String),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

pub(crate) struct Websocket(pub Socket);

impl Websocket {
    pub(crate) async fn send(&mut self, value: Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Event {
        match timeout(PATIENCE, self.0.next()).await.expect("nothing came") {
            Some(Ok(Message::Text(text))) => Event::Json(serde_json::from_str(&text).unwrap(), text.to_string()),
            Some(Ok(Message::Binary(bytes))) => Event::Binary(bytes.to_vec()),
            Some(Ok(Message::Close(frame))) => Event::Closed(frame.map(|frame| frame.code.into())),
            Some(Ok(other)) => panic!("unexpected {other:?}"),
            Some(Err(_)) | None => Event::Closed(None),
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        match self.next().await {
            Event::Json(value, _) => value,
            other => panic!("expected JSON, got {other:?}"),
        }
    }

    /// The next message of this operation; others are passed over.
    pub(crate) async fn op(&mut self, op: u64) -> Value {
        loop {
            let message = self.json().await;
            if message["op"] == op {
                return message;
            }
        }
    }

    /// The next gateway event of this name; others are passed over.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let message = self.json().await;
            if message["t"] == name {
                return message["d"].clone();
            }
        }
    }

    /// The code that the server closes with.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Event::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}

/// A bot on the gateway, after `GUILD_CREATE`.
pub(crate) struct Bot {
    pub(crate) socket: Websocket,
    pub(crate) session_id: String,
    pub(crate) guild: Value,
}

pub(crate) async fn gateway(info: &Info, query: &str) -> Websocket {
    let (socket, _) = connect_async(format!("{}?{query}", info.gateway)).await.unwrap();
    Websocket(socket)
}

pub(crate) fn identify(token: &str, intents: u64) -> Value {
    json!({"op": 2, "d": {"token": token, "intents": intents, "properties": {"os": "t", "browser": "t", "device": "t"}}})
}

/// A gateway websocket on which a bot has identified; what the stand-in makes of it is still to be read.
pub(crate) async fn identified(info: &Info, token: &str, intents: u64) -> Websocket {
    let mut socket = gateway(info, "v=10&encoding=json").await;
    assert_eq!(socket.json().await["op"], 10);
    socket.send(identify(token, intents)).await;
    socket
}

pub(crate) async fn log_in(info: &Info, token: &str) -> Bot {
    let mut socket = identified(info, token, INTENTS).await;
    let ready = socket.event("READY").await;
    let guild = socket.event("GUILD_CREATE").await;
    Bot {
        socket,
        session_id: ready["session_id"].as_str().unwrap().to_owned(),
        guild,
    }
}

impl Bot {
    pub(crate) async fn ask_for_voice(&mut self, guild: &str, channel: Option<&str>) {
        self.socket
            .send(json!({
                "op": 4,
                "d": {"guild_id": guild, "channel_id": channel, "self_mute": false, "self_deaf": false},
            }))
            .await;
    }

    /// Joins a voice channel and returns the token and endpoint to identify with.
    pub(crate) async fn join(&mut self, info: &Info, channel: &str) -> (String, String) {
        self.ask_for_voice(&info.guild_id, Some(channel)).await;
        let server = self.socket.event("VOICE_SERVER_UPDATE").await;
        assert_eq!(server["guild_id"], info.guild_id.as_str());
        (
            server["token"].as_str().unwrap().to_owned(),
            server["endpoint"].as_str().unwrap().to_owned(),
        )
    }
}

/// Opens a voice gateway websocket, trusting nothing but the stand-in's CA.
pub(crate) async fn voice_gateway(info: &Info, endpoint: &str, version: u8) -> Websocket {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&info.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = format!("wss://{endpoint}/?v={version}");
    let connector = Some(Connector::Rustls(Arc::new(config)));
    let (socket, _) = connect_async_tls_with_config(url, None, false, connector)
        .await
        .unwrap();
    Websocket(socket)
}

/// Identify of a client that knows nothing of DAVE.
pub(crate) fn voice_identify(info: &Info, user: &str, session: &str, token: &str) -> Value {
    json!({"op": 0, "d": {
        "server_id": info.guild_id, "user_id": user, "session_id": session, "token": token,
    }})
}

/// A bot in a voice channel, all handshakes done.
pub(crate) struct Voice {
    pub(crate) bot: Bot,
    pub(crate) socket: Websocket,
    pub(crate) token: String,
    pub(crate) endpoint: String,
    pub(crate) udp: UdpSocket,
    pub(crate) server: SocketAddr,
    pub(crate) ssrc: u32,
    pub(crate) transport: Transport,
    pub(crate) sequence: u16,
    pub(crate) described: Value,
}

impl Voice {
    pub(crate) async fn connect(info: &Info, token: &str, user: &str, version: u8, mode: &str) -> Self {
        let bot = log_in(info, token).await;
        Self::join(info, bot, user, version, mode).await
    }

    pub(crate) async fn join(info: &Info, bot: Bot, user: &str, version: u8, mode: &str) -> Self {
        let voice = Self::join_with(info, bot, user, version, mode, None).await;
        assert_eq!(voice.described["d"]["dave_protocol_version"], 0);
        voice
    }

    /// Joins and announces a DAVE version, or nothing of the kind.
    pub(crate) async fn join_with(
        info: &Info,
        mut bot: Bot,
        user: &str,
        version: u8,
        mode: &str,
        dave: Option<u16>,
    ) -> Self {
        let (token, endpoint) = bot.join(info, &info.voice_channel_id).await;
        let mut socket = voice_gateway(info, &endpoint, version).await;
        assert_eq!(socket.json().await["op"], 8);
        let mut identify = voice_identify(info, user, &bot.session_id, &token);
        if let Some(dave) = dave {
            identify["d"]["max_dave_protocol_version"] = json!(dave);
        }
        socket.send(identify).await;
        let ready = socket.op(2).await["d"].clone();
        let ssrc = u32::try_from(ready["ssrc"].as_u64().unwrap()).unwrap();
        let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        let server = SocketAddr::new(ready["ip"].as_str().unwrap().parse().unwrap(), port);
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let own = discover(&udp, server, ssrc).await;
        assert_eq!(own, udp.local_addr().unwrap());
        socket
            .send(json!({"op": 1, "d": {
                "protocol": "udp", "data": {"address": own.ip(), "port": own.port(), "mode": mode},
            }}))
            .await;
        let described = socket.op(4).await;
        let key = serde_json::from_value(described["d"]["secret_key"].clone()).unwrap();
        assert_eq!(described["d"]["mode"], mode);
        Self {
            bot,
            socket,
            token,
            endpoint,
            udp,
            server,
            ssrc,
            transport: Transport::new(mode, key),
            sequence: 65_530,
            described,
        }
    }

    pub(crate) async fn announce(&mut self) {
        self.socket
            .send(json!({"op": 5, "d": {"speaking": 1, "delay": 0, "ssrc": self.ssrc}}))
            .await;
    }

    pub(crate) fn packet(&mut self, opus: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence).wrapping_mul(960);
        let mut header = vec![0x80, 120];
        header.extend_from_slice(&self.sequence.to_be_bytes());
        header.extend_from_slice(&timestamp.to_be_bytes());
        header.extend_from_slice(&self.ssrc.to_be_bytes());
        self.transport.seal(&header, opus)
    }

    pub(crate) async fn say(&mut self, opus: &[u8]) {
        let packet = self.packet(opus);
        self.udp.send_to(&packet, self.server).await.unwrap();
    }

    /// The next packet: its sender's SSRC and the Opus in it.
    pub(crate) async fn hear(&mut self) -> (u32, Vec<u8>) {
        let mut buffer = [0; 2_048];
        let (len, from) = timeout(PATIENCE, self.udp.recv_from(&mut buffer))
            .await
            .expect("silence")
            .unwrap();
        assert_eq!(from, self.server);
        let packet = &buffer[..len];
        assert_eq!(packet[1], 120);
        let extended = packet[0] & 0x10 != 0;
        let header_len = if extended { 16 } else { 12 };
        let body = self.transport.open(packet, header_len);
        let extension = if extended { usize::from(packet[15]) * 4 } else { 0 };
        let ssrc = u32::from_be_bytes(packet[8..12].try_into().unwrap());
        (ssrc, body[extension..].to_vec())
    }
}

/// IP discovery.
pub(crate) async fn discover(udp: &UdpSocket, server: SocketAddr, ssrc: u32) -> SocketAddr {
    let mut request = vec![0, 1, 0, 70];
    request.extend_from_slice(&ssrc.to_be_bytes());
    request.resize(74, 0);
    udp.send_to(&request, server).await.unwrap();
    let mut response = [0; 74];
    let len = timeout(PATIENCE, udp.recv(&mut response))
        .await
        .expect("no discovery")
        .unwrap();
    assert_eq!(len, 74);
    assert_eq!(response[..4], [0, 2, 0, 70]);
    assert_eq!(response[4..8], ssrc.to_be_bytes());
    let address = response[8..72].split(|byte| *byte == 0).next().unwrap();
    let ip = std::str::from_utf8(address).unwrap().parse().unwrap();
    SocketAddr::new(ip, u16::from_be_bytes([response[72], response[73]]))
}
