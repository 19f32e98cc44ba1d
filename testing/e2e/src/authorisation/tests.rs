//! The service between a homeserver and an SFU that are made up; the scenarios of MatrixRTC have it between real ones.

use super::*;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::routing::post as route_post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use reqwest::Method;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "a secret of the tests, of some length";
/// Unpadded base64 of the SHA-256 of `["!room:example.org","m.call#ROOM"]`.
const MAIN_SLOT: &str = "TK4o8wNCXi5t5936bOvIzE/X3XFc7cgp3jGRDqK0j5E";
/// The same of `["!room:example.org","m.call#SIDE"]`.
const SIDE_SLOT: &str = "l7IaVN9Ddr15AjEXrWbYTIJHfg7Kb8odFMMCMONxZr8";
/// The same of `["@alice:example.org","DEVICE","a-member"]`.
const ALICE_AS_MEMBER: &str = "IJrdL+9F/U1y/9DCJ3RD2253JPqDZHIcFANsx47moIo";

/// What the SFU was asked to create: the claims of the token it was asked with, and the call.
type Created = Arc<Mutex<Vec<(Value, Value)>>>;

struct Service {
    service: AuthorisationService,
    created: Created,
}

impl Service {
    /// The service with a homeserver that knows one token of Alice's, and an SFU that creates what it is asked to.
    async fn start() -> Self {
        let created = Created::default();
        let url = world(Arc::clone(&created)).await;
        let service = Self::between(&url, &url).await;
        Self { service, created }
    }

    async fn between(homeserver: &str, sfu: &str) -> AuthorisationService {
        let homeserver = Homeserver {
            name: "example.org".to_owned(),
            url: homeserver.to_owned(),
        };
        let sfu = Sfu {
            url: "ws://sfu.example.org".to_owned(),
            api: sfu.to_owned(),
            key: "a-key".to_owned(),
            secret: SECRET.to_owned(),
            lets_set_attributes: Arc::new(true.into()),
        };
        AuthorisationService::start(homeserver, sfu).await.expect("a port")
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        post(&self.service, path, body.to_string()).await
    }

    /// The claims of the token that is the answer.
    async fn claims(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(
            (status, &answer["url"]),
            (200, &json!("ws://sfu.example.org")),
            "{answer}"
        );
        verified(answer["jwt"].as_str().expect("a token"))
    }

    fn created(&self) -> Vec<(Value, Value)> {
        self.created.lock().expect("no test panics there").clone()
    }
}

async fn post(service: &AuthorisationService, path: &str, body: String) -> (u16, Value) {
    let url = format!("{}{path}", service.url());
    let answer = reqwest::Client::new()
        .post(url)
        .body(body)
        .send()
        .await
        .expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn world(created: Created) -> String {
    let userinfo = |Query(query): Query<HashMap<String, String>>| async move {
        if query.get("access_token").is_some_and(|token| token == "of-alice") {
            Ok(Json(json!({ "sub": "@alice:example.org" })))
        } else {
            Err(StatusCode::UNAUTHORIZED)
        }
    };
    let create = move |headers: HeaderMap, Json(call): Json<Value>| async move {
        let token = headers["authorization"]
            .to_str()
            .expect("text")
            .trim_start_matches("Bearer ");
        created
            .lock()
            .expect("no test panics there")
            .push((verified(token), call));
        Json(json!({}))
    };
    let router = Router::new()
        .route("/_matrix/federation/v1/openid/userinfo", get(userinfo))
        .route("/twirp/livekit.RoomService/CreateRoom", route_post(create));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The claims of a token whose signature and times are right.
fn verified(token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let (head, claims) = signed.split_once('.').expect("a head");
    let part = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(signed.as_bytes());
    mac.verify_slice(&part(signature)).expect("our signature");
    let head: Value = serde_json::from_slice(&part(head)).expect("JSON");
    assert_eq!(head["alg"], "HS256");
    let claims: Value = serde_json::from_slice(&part(claims)).expect("JSON");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let (from, to) = (
        claims["nbf"].as_u64().expect("nbf"),
        claims["exp"].as_u64().expect("exp"),
    );
    assert!(
        from <= now && (now + 3_500..=now + 3_600).contains(&to),
        "{from} to {to}"
    );
    claims
}

fn by_device() -> Value {
    json!({
        "room": "!room:example.org", "device_id": "DEVICE",
        "openid_token": {
            "access_token": "of-alice", "token_type": "Bearer", "matrix_server_name": "example.org", "expires_in": 3600,
        },
    })
}

fn by_member() -> Value {
    json!({
        "room_id": "!room:example.org", "slot_id": "m.call#SIDE",
        "openid_token": by_device()["openid_token"],
        "member": { "id": "a-member", "claimed_user_id": "@alice:example.org", "claimed_device_id": "DEVICE" },
    })
}

/// A request with a value in another place.
fn with(mut request: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    request.pointer_mut(parent).expect("an object")[key] = value;
    request
}

#[tokio::test]
async fn a_device_gets_into_the_call_of_its_room_which_is_created() {
    let service = Service::start().await;
    let claims = service.claims("/sfu/get", &by_device()).await;
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("a-key"), &json!("@alice:example.org:DEVICE"))
    );
    let grant = json!({
        "room": MAIN_SLOT, "roomJoin": true, "canPublish": true, "canSubscribe": true, "canUpdateOwnMetadata": true,
    });
    assert_eq!(claims["video"], grant);
    let created = service.created();
    let [(token, call)] = &created[..] else {
        panic!("{created:?}")
    };
    assert_eq!(token["video"], json!({ "roomCreate": true }));
    assert_eq!(
        call,
        &json!({ "name": MAIN_SLOT, "empty_timeout": 300, "departure_timeout": 20 })
    );
}

#[tokio::test]
async fn a_member_gets_into_its_slot_without_its_name_being_told() {
    let service = Service::start().await;
    let claims = service.claims("/get_token", &by_member()).await;
    assert_eq!(
        (&claims["sub"], &claims["video"]["room"]),
        (&json!(ALICE_AS_MEMBER), &json!(SIDE_SLOT))
    );
    let main = with(by_member(), "/slot_id", json!("m.call#ROOM"));
    let claims = service.claims("/get_token", &main).await;
    assert_eq!(claims["video"]["room"], MAIN_SLOT, "both endpoints lead into one call");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_a_code() {
    let service = Service::start().await;
    let device = |pointer: &str, value: Value| ("/sfu/get", with(by_device(), pointer, value));
    let member = |pointer: &str, value: Value| ("/get_token", with(by_member(), pointer, value));
    let cases = [
        (device("/something", json!(1)), (400, "M_NOT_JSON")),
        (device("/openid_token/something", json!(1)), (400, "M_NOT_JSON")),
        (device("/room", json!(7)), (400, "M_NOT_JSON")),
        (device("/room", json!("")), (400, "M_BAD_JSON")),
        (device("/openid_token", json!({})), (400, "M_BAD_JSON")),
        (device("/delay_id", json!("a-delay")), (400, "M_BAD_JSON")),
        (
            device("/openid_token/access_token", json!("of-nobody")),
            (401, "M_UNAUTHORIZED"),
        ),
        (
            device("/openid_token/matrix_server_name", json!("elsewhere.org")),
            (401, "M_UNAUTHORIZED"),
        ),
        (member("/member/something", json!(1)), (400, "M_NOT_JSON")),
        (member("/slot_id", json!("")), (400, "M_BAD_JSON")),
        (member("/member/id", json!("")), (400, "M_BAD_JSON")),
        (member("/delay_timeout", json!(5000)), (400, "M_BAD_JSON")),
        (
            member("/delay_cs_api_url", json!("http://example.org")),
            (400, "M_BAD_JSON"),
        ),
        (
            member("/member/claimed_user_id", json!("@bob:example.org")),
            (401, "M_UNAUTHORIZED"),
        ),
    ];
    for ((path, body), (status, code)) in cases {
        let answer = service.post(path, &body).await;
        assert_eq!(
            (answer.0, &answer.1["errcode"]),
            (status, &json!(code)),
            "{path} {body}"
        );
    }
    let (status, answer) = post(&service.service, "/sfu/get", "no JSON".to_owned()).await;
    assert_eq!((status, &answer["errcode"]), (400, &json!("M_NOT_JSON")));
    assert_eq!(service.created(), [], "nobody got in, so nothing was created");
}

#[tokio::test]
async fn an_sfu_that_is_away_is_not_the_askers_fault() {
    let homeserver = world(Created::default()).await;
    // Nobody listens at the port of discards.
    let service = Service::between(&homeserver, "http://127.0.0.1:9").await;
    let (status, answer) = post(&service, "/sfu/get", by_device().to_string()).await;
    assert_eq!((status, &answer["errcode"]), (500, &json!("M_UNKNOWN")));
}

#[tokio::test]
async fn any_page_may_ask_and_read_what_is_answered() {
    let service = Service::start().await.service;
    let client = reqwest::Client::new();
    for (method, path, status) in [
        (Method::OPTIONS, "/sfu/get", 200),
        (Method::OPTIONS, "/get_token", 200),
        (Method::POST, "/get_token", 400),
        (Method::GET, "/sfu/get", 405),
    ] {
        let request = client.request(method.clone(), format!("{}{path}", service.url()));
        let answer = request.send().await.expect("an answer");
        let origin = &answer.headers()["access-control-allow-origin"];
        assert_eq!(
            (answer.status().as_u16(), origin.to_str().unwrap()),
            (status, "*"),
            "{method} {path}"
        );
        let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("Content-Type"), "{allowed}");
    }
    let health = client.get(format!("{}/healthz", service.url())).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
}
