//! The transport against authorisation services on this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use bridge_kit::config::Secret;
use bridge_kit::matrix::{MatrixError, OpenIdToken, RoomId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::grant::tests::jwt;
use super::*;
use crate::matrixrtc::testing::{focus, user};
use crate::matrixrtc::{Focus, Mode};
use crate::reach::{OutOfReach, Reach};

/// An authorisation service as strict as lk-jwt-service.
#[derive(Clone)]
struct Service {
    focus: Focus,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    faults: Arc<Mutex<BTreeMap<&'static str, Fault>>>,
    _tasks: Arc<JoinSet<()>>,
}

#[derive(Clone)]
enum Fault {
    Refuses(u16, Value),
    Redirects(String),
    Babbles(usize),
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    faults: Arc<Mutex<BTreeMap<&'static str, Fault>>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Shared {
            seen: Arc::default(),
            faults: Arc::default(),
        };
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self {
            focus: focus(&format!("http://{address}/jwt")),
            seen: shared.seen,
            faults: shared.faults,
            _tasks: Arc::new(tasks),
        }
    }

    fn fails(&self, endpoint: &'static str, fault: Fault) {
        self.faults.lock().expect("a lock").insert(endpoint, fault);
    }

    fn seen(&self) -> Vec<(String, Value)> {
        self.seen.lock().expect("a lock").clone()
    }

    fn endpoints(&self) -> Vec<String> {
        self.seen().into_iter().map(|(endpoint, _)| endpoint).collect()
    }
}

async fn serve(State(service): State<Shared>, request: Request) -> Response {
    let endpoint = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 16)
        .await
        .expect("a body");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    service
        .seen
        .lock()
        .expect("a lock")
        .push((endpoint.clone(), body.clone()));
    let fault = service.faults.lock().expect("a lock").get(endpoint.as_str()).cloned();
    match fault {
        None => admit(&endpoint, &body),
        Some(Fault::Refuses(status, body)) => (code(status), axum::Json(body)).into_response(),
        Some(Fault::Redirects(to)) => Redirect::temporary(&to).into_response(),
        Some(Fault::Babbles(length)) => "x".repeat(length).into_response(),
    }
}

fn admit(endpoint: &str, body: &Value) -> Response {
    let (keys, identity): (&[&str], _) = match endpoint {
        "/jwt/sfu/get" => (&["device_id", "openid_token", "room"], "@bot:hs:VB"),
        "/jwt/get_token" => (&["member", "openid_token", "room_id", "slot_id"], "hash"),
        _ => return code(404).into_response(),
    };
    let sent: Vec<&str> = body
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    if sent != keys {
        return (code(400), axum::Json(json!({ "errcode": "M_NOT_JSON" }))).into_response();
    }
    let claims = json!({ "sub": identity, "video": { "room": "room at the SFU" } });
    axum::Json(json!({ "url": "ws://127.0.0.1:7880", "jwt": jwt(&claims) })).into_response()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status")
}

/// A homeserver that proves the bridge, and names SFUs where the test says so.
#[derive(Default)]
struct Homeserver {
    transports: Vec<Focus>,
    well_known: Vec<Focus>,
    proofs: Arc<Mutex<u32>>,
}

fn listed(field: &str, foci: &[Focus]) -> Value {
    let transport = |focus: &Focus| json!({ "type": "livekit", "livekit_service_url": focus.as_str() });
    json!({ field: foci.iter().map(transport).collect::<Vec<_>>() })
}

impl Credentials for Homeserver {
    fn openid_token(&self) -> BoxFuture<'_, Result<OpenIdToken, MatrixError>> {
        let mut proofs = self.proofs.lock().expect("a lock");
        *proofs += 1;
        let token = OpenIdToken {
            access_token: Secret::new(format!("proof{proofs}")),
            token_type: "Bearer".into(),
            matrix_server_name: "hs".try_into().expect("a name"),
            expires_in: Duration::from_hours(1),
        };
        Box::pin(async move { Ok(token) })
    }

    fn rtc_transports(&self) -> BoxFuture<'_, Result<Value, MatrixError>> {
        let answer = listed("rtc_transports", &self.transports);
        Box::pin(async move { Ok(answer) })
    }

    fn well_known(&self) -> BoxFuture<'_, Result<Value, MatrixError>> {
        let answer = listed("org.matrix.msc4143.rtc_foci", &self.well_known);
        Box::pin(async move { Ok(answer) })
    }

    fn server_name(&self) -> &'static str {
        "127.0.0.1:1"
    }
}

fn caller() -> Caller {
    Caller {
        room: RoomId::parse("!room:hs").expect("a room id"),
        user: user("@bot:hs"),
        device: "VB".into(),
        member_id: "uuid".into(),
    }
}

fn transports(homeserver: Homeserver, mode: Mode, configured: &[&Service]) -> Transports<Homeserver> {
    let configured = configured.iter().map(|service| service.focus.clone()).collect();
    Transports::new(homeserver, mode, configured, Reach::Public).expect("a client")
}

fn refusal(status: u16, errcode: &str) -> Fault {
    Fault::Refuses(status, json!({ "errcode": errcode, "error": "no" }))
}

#[tokio::test]
async fn b1_a_token_is_asked_for_with_exactly_the_known_keys() {
    let service = Service::start().await;
    let transports = transports(Homeserver::default(), Mode::Compatibility, &[&service]);
    let proof = |number: u32| {
        json!({
            "access_token": format!("proof{number}"), "token_type": "Bearer", "matrix_server_name": "hs",
            "expires_in": 3600,
        })
    };
    let grant = transports.publishing(&caller(), &service.focus).await.expect("a token");
    assert_eq!(
        (grant.room.as_str(), grant.identity.as_str()),
        ("room at the SFU", "@bot:hs:VB")
    );
    let grant = transports.listening(&caller(), &service.focus).await.expect("a token");
    assert_eq!(grant.identity, "hash");
    assert_eq!(
        service.seen(),
        [
            (
                "/jwt/sfu/get".to_owned(),
                json!({ "room": "!room:hs", "openid_token": proof(1), "device_id": "VB" }),
            ),
            (
                "/jwt/get_token".to_owned(),
                json!({
                    "room_id": "!room:hs", "slot_id": "m.call#ROOM", "openid_token": proof(2),
                    "member": { "id": "uuid", "claimed_user_id": "@bot:hs", "claimed_device_id": "VB" },
                }),
            ),
        ]
    );
}

#[tokio::test]
async fn b1_a_service_without_the_newer_door_is_entered_by_the_older() {
    let service = Service::start().await;
    service.fails("/jwt/get_token", Fault::Refuses(404, Value::Null));
    let transports = transports(Homeserver::default(), Mode::Matrix2, &[&service]);
    let grant = transports.publishing(&caller(), &service.focus).await.expect("a token");
    assert_eq!(grant.identity, "@bot:hs:VB");
    assert_eq!(service.endpoints(), ["/jwt/get_token", "/jwt/sfu/get"]);
}

#[tokio::test]
async fn b1_a_token_is_kept_until_it_is_forgotten() {
    let service = Service::start().await;
    let transports = transports(Homeserver::default(), Mode::Compatibility, &[&service]);
    for _ in 0..3 {
        transports.publishing(&caller(), &service.focus).await.expect("a token");
    }
    assert_eq!(service.endpoints().len(), 1);
    transports.forget(&caller(), &service.focus);
    transports.publishing(&caller(), &service.focus).await.expect("a token");
    assert_eq!(service.endpoints().len(), 2);
}

#[tokio::test]
async fn b1_sfus_are_tried_in_their_order() {
    let [used, named, published, configured] = [
        Service::start().await,
        Service::start().await,
        Service::start().await,
        Service::start().await,
    ];
    let homeserver = Homeserver {
        transports: vec![named.focus.clone(), used.focus.clone()],
        well_known: vec![published.focus.clone()],
        ..Homeserver::default()
    };
    let transports = transports(homeserver, Mode::Compatibility, &[&configured]);
    let offered = [used.focus.clone()];
    let mut found = Vec::new();
    for service in [&used, &named, &configured] {
        let sfu = transports.find(&caller(), &offered).await.expect("an SFU");
        transports.forget(&caller(), &sfu);
        found.push(sfu);
        service.fails("/jwt/sfu/get", refusal(403, "M_FORBIDDEN"));
    }
    assert_eq!(
        found,
        [used.focus.clone(), named.focus.clone(), configured.focus.clone()]
    );
    assert!(transports.find(&caller(), &offered).await.is_none());
    assert!(published.seen().is_empty());
}

#[tokio::test]
async fn b1_the_well_known_is_asked_where_the_homeserver_names_none() {
    let published = Service::start().await;
    let homeserver = Homeserver {
        well_known: vec![published.focus.clone()],
        ..Homeserver::default()
    };
    let transports = transports(homeserver, Mode::Compatibility, &[]);
    let sfu = transports.find(&caller(), &[]).await.expect("an SFU");
    assert_eq!(sfu, published.focus);
}

#[tokio::test]
async fn strangers_do_not_send_the_bridge_into_its_own_network() {
    let inside = Service::start().await;
    let homeserver = Homeserver::default();
    let proofs = homeserver.proofs.clone();
    let transports = transports(homeserver, Mode::Compatibility, &[]);
    let refused = transports.listening(&caller(), &inside.focus).await;
    assert!(matches!(refused, Err(TransportError::OutOfReach(OutOfReach::Plain))));
    let hidden = focus("https://127.0.0.1:1/jwt");
    let refused = transports.listening(&caller(), &hidden).await;
    assert!(matches!(refused, Err(TransportError::OutOfReach(OutOfReach::Private))));
    assert!(
        transports
            .find(&caller(), &[inside.focus.clone(), hidden])
            .await
            .is_none()
    );
    assert!(inside.seen().is_empty());
    assert_eq!(
        *proofs.lock().unwrap(),
        0,
        "a stranger got a proof of who the bridge is"
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    let target = format!("{}/sfu/get", elsewhere.focus.as_str());
    service.fails("/jwt/sfu/get", Fault::Redirects(target));
    let transports = transports(Homeserver::default(), Mode::Compatibility, &[&service]);
    let refused = transports.publishing(&caller(), &service.focus).await;
    assert!(
        matches!(refused, Err(TransportError::Refused { status: 307, .. })),
        "{refused:?}"
    );
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn refusals_know_whether_to_try_again() {
    let service = Service::start().await;
    let transports = transports(Homeserver::default(), Mode::Compatibility, &[&service]);
    for (fault, transient) in [
        (refusal(400, "M_BAD_JSON"), false),
        (refusal(401, "M_UNAUTHORIZED"), false),
        (refusal(403, "M_FORBIDDEN"), false),
        (refusal(429, "M_LIMIT_EXCEEDED"), true),
        (refusal(500, "M_UNKNOWN"), true),
        (Fault::Refuses(503, json!("busy")), true),
        (Fault::Refuses(200, json!({ "url": "ws://127.0.0.1" })), false),
        (Fault::Babbles(100), false),
        (Fault::Babbles(1 << 20), false),
    ] {
        service.fails("/jwt/sfu/get", fault);
        let error = transports
            .publishing(&caller(), &service.focus)
            .await
            .expect_err("an error");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
    let nobody = focus("http://127.0.0.1:1");
    let transports = Transports::new(
        Homeserver::default(),
        Mode::Compatibility,
        vec![nobody.clone()],
        Reach::Public,
    );
    let error = transports
        .unwrap()
        .publishing(&caller(), &nobody)
        .await
        .expect_err("an error");
    assert!(matches!(error, TransportError::Unreachable(_)) && error.is_transient());
    assert!(
        !format!("{error:?}").contains("127.0.0.1:1/"),
        "the error tells the address"
    );
}
