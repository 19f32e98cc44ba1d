//! The doctor at SFUs and ports that are set up wrong, each in another way.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_kit::cli::Service;
use bridge_kit::config::{Config, Reader};
use bridge_kit::doctor::{Finding, Grade, Questions, Visit};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use voice_bridge::{Settings, VoiceBridge};

type Answer = (u16, Value);

/// A server that answers what it is told to.
struct Server {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let reply = move |uri: Uri| {
            let (status, body) = answer(uri.path());
            async move { respond(status, &body) }
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            axum::serve(listener, Router::new().fallback(reply))
                .await
                .expect("served");
        });
        Self { address, _task: task }
    }

    /// A homeserver that vouches for the bridge, and names these services.
    async fn homeserver(services: &'static [&'static str]) -> Self {
        Self::start(move |path| match path {
            "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports" => {
                let transport = |service| json!({ "type": "livekit", "livekit_service_url": service });
                let transports: Vec<Value> = services.iter().map(transport).collect();
                (200, json!({ "rtc_transports": transports }))
            }
            path if path.ends_with("/openid/request_token") => (
                200,
                json!({
                    "access_token": "proof", "token_type": "Bearer", "matrix_server_name": "127.0.0.1:1",
                    "expires_in": 3600,
                }),
            ),
            _ => (404, json!({ "errcode": "M_UNRECOGNIZED", "error": "" })),
        })
        .await
    }

    /// An authorisation service that lets everybody into this SFU.
    async fn service(sfu: SocketAddr) -> Self {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let claims = json!({ "sub": "@bot:hs:VB", "video": { "room": "r" } });
        let jwt = format!("{}.{}.c2ln", part(&json!({ "alg": "HS256" })), part(&claims));
        let grant = json!({ "url": format!("ws://{sfu}"), "jwt": jwt });
        Self::start(move |_| (200, grant.clone())).await
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn respond(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(body)).into_response()
}

fn closed() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

fn config(homeserver: &Server, webrtc: SocketAddr, matrixrtc: &str) -> Config<Settings> {
    let text = format!(
        r#"
        [homeserver]
        url = "{}"
        name = "127.0.0.1:1"
        [appservice]
        as_token = "a"
        hs_token = "h"
        [peer]
        user_id = "@discordbridge:127.0.0.1:1"
        [webrtc]
        listen = "{webrtc}"
        [matrixrtc]
        {matrixrtc}
        "#,
        homeserver.url()
    );
    let reader = Reader::from_toml::<Settings>(&VoiceBridge::PROGRAM, &text).expect("settings");
    Config::read(&reader).expect("settings")
}

async fn examined(config: &Config<Settings>) -> Vec<Finding> {
    VoiceBridge::examine(&Visit {
        config,
        questions: &Questions::default(),
        running: false,
    })
    .await
}

fn free_udp() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("an address")
}

#[derive(Default)]
struct Table(BTreeSet<String>);

impl Table {
    fn row(&mut self, what: &str, advice: &str, findings: &[Finding]) {
        let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.is_fault()).collect();
        let [fault] = faults.as_slice() else {
            panic!("{what}: {findings:#?}");
        };
        assert!(fault.what.contains(what), "{what}: {fault}");
        assert!(fault.advice.contains(advice), "{advice}: {fault}");
        assert!(self.0.insert(fault.advice.clone()), "said twice: {fault}");
    }
}

/// What is said of one authorisation service that the configuration names.
async fn at(service: &str) -> Vec<Finding> {
    let homeserver = Server::homeserver(&[]).await;
    let named = format!("livekit_service_urls = [\"{service}\"]");
    examined(&config(&homeserver, free_udp(), &named)).await
}

#[tokio::test]
async fn each_broken_set_up_has_a_finding_and_advice_of_its_own() {
    let mut table = Table::default();

    let sfu = Server::start(|_| (200, json!("OK"))).await;
    let service = Server::service(sfu.address).await;
    let sound = at(&service.url()).await;
    assert!(!sound.iter().any(Finding::is_fault), "{sound:#?}");
    let last = sound.last().expect("findings").to_string();
    assert!(
        last.contains(&format!("lets the bridge in, and ws://{}", sfu.address)),
        "{last}"
    );

    let nobody = at(&format!("http://{}", closed())).await;
    table.row("matrixrtc: nobody answers at http", "lk-jwt-service", &nobody);

    let other = Server::start(|_| (404, Value::Null)).await;
    table.row("is no authorisation service", "/sfu/get", &at(&other.url()).await);

    let strict = Server::start(|_| (403, json!({ "errcode": "M_FORBIDDEN" }))).await;
    let refused = at(&strict.url()).await;
    table.row(
        "does not let the bridge in (status 403 M_FORBIDDEN)",
        "federation API",
        &refused,
    );

    let babbling = Server::start(|_| (200, json!({ "url": "gopher://x", "jwt": "" }))).await;
    table.row(
        "gives no token that can be used",
        "set up for",
        &at(&babbling.url()).await,
    );

    let service = Server::service(closed()).await;
    table.row("but nobody answers at ws://", "LiveKit runs", &at(&service.url()).await);

    let mute = Server::start(|_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "" }))).await;
    let named = format!("livekit_service_urls = [\"{}\"]", other.url());
    let unproven = examined(&config(&mute, free_udp(), &named)).await;
    table.row(
        "the homeserver vouches for the bridge at no SFU",
        "mend first",
        &unproven,
    );

    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let homeserver = Server::homeserver(&[]).await;
    let taken_at = taken.local_addr().expect("an address");
    let taken = examined(&config(&homeserver, taken_at, "")).await;
    table.row("webrtc.listen: another program has UDP", "stop it", &taken);
}

#[tokio::test]
async fn what_may_be_meant_so_is_no_fault() {
    let homeserver = Server::homeserver(&[]).await;
    let none = examined(&config(&homeserver, free_udp(), "")).await;
    let notes: Vec<String> = none
        .iter()
        .filter(|finding| finding.grade == Grade::Note)
        .map(ToString::to_string)
        .collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("webrtc.advertise"), "{notes:?}");
    assert!(notes[1].contains("names an SFU"), "{notes:?}");
    let off = examined(&config(&homeserver, free_udp(), "enabled = false")).await;
    assert!(off.last().expect("findings").what.contains("switched off"), "{off:?}");
}

#[tokio::test]
async fn the_service_that_the_homeserver_names_is_tried() {
    let homeserver = Server::homeserver(&["http://127.0.0.1:1/jwt"]).await;
    let findings = examined(&config(&homeserver, free_udp(), "")).await;
    let last = findings.last().expect("findings").to_string();
    assert!(
        last.starts_with("fault: matrixrtc: nobody answers at http://127.0.0.1:1/jwt"),
        "{last}"
    );
}
