//! A homeserver in memory: as much of the client-server and application service API as the kit uses.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// An answer to give instead of the right one.
pub(crate) enum Fault {
    Status(u16, Value),
    /// With a `Retry-After` of this many seconds.
    RetryAfter(u64),
    NotJson(u16),
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) acting: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Homeserver {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Default)]
struct Inner {
    rooms: BTreeMap<String, Room>,
    aliases: BTreeMap<String, String>,
    services: Vec<Service>,
    faults: VecDeque<Fault>,
    requests: Vec<Seen>,
    sent: HashMap<String, String>,
    names: BTreeMap<String, String>,
    next: u64,
    /// The version of new rooms, where it is not the newest that there is.
    older_version: Option<&'static str>,
    /// What its clock shows, where that is not the time.
    date: Option<&'static str>,
}

/// The newest version that rooms may have.
pub(crate) const NEWEST: &str = "12";

#[derive(Default)]
struct Room {
    state: BTreeMap<(String, String), Value>,
    timeline: Vec<Value>,
    /// Users who may not invite here.
    powerless: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) as_token: String,
    pub(crate) bot: String,
    /// Where transactions go; empty for none.
    pub(crate) url: String,
    pub(crate) hs_token: String,
}

struct Service {
    id: String,
    as_token: String,
    bot: String,
    url: String,
    hs_token: String,
    queue: mpsc::Sender<Value>,
}

impl Homeserver {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(crate) async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let homeserver = Self {
            address,
            inner: Arc::default(),
            tasks: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(homeserver.clone());
        homeserver.spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        homeserver
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().expect("a lock").spawn(task);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("a lock")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loads a registration. `url` is where transactions go.
    pub(crate) fn register(&self, id: &str, bot: &str, url: &str) {
        self.load(Registration {
            id: id.to_owned(),
            as_token: format!("as-{id}"),
            hs_token: format!("hs-{id}"),
            bot: bot.to_owned(),
            url: url.to_owned(),
        });
    }

    /// Loads a registration, whatever is in it.
    pub(crate) fn load(&self, registration: Registration) {
        let (queue, events) = mpsc::channel(1024);
        let Registration {
            id,
            as_token,
            bot,
            url,
            hs_token,
        } = registration;
        let service = Service {
            id,
            as_token,
            bot,
            url,
            hs_token,
            queue,
        };
        self.spawn(deliver(service.url.clone(), service.hs_token.clone(), events));
        self.inner().services.push(service);
    }

    /// Gives these answers to the next requests.
    pub(crate) fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner().faults.extend(faults);
    }

    /// Lets its clock stand still at this date.
    pub(crate) fn stop_clock(&self, date: &'static str) {
        self.inner().date = Some(date);
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.inner().requests.clone()
    }

    pub(crate) fn display_name(&self, user: &str) -> Option<String> {
        self.inner().names.get(user).cloned()
    }

    /// Makes rooms of this version from now on.
    pub(crate) fn make_rooms_of(&self, version: &'static str) {
        self.inner().older_version = (version != NEWEST).then_some(version);
    }

    /// A room that somebody has made.
    pub(crate) fn room(&self, creator: &str) -> String {
        self.inner().create(creator)
    }

    pub(crate) fn alias(&self, alias: &str, room: &str) {
        self.inner().aliases.insert(alias.to_owned(), room.to_owned());
    }

    pub(crate) fn resolve(&self, alias: &str) -> Option<String> {
        self.inner().aliases.get(alias).cloned()
    }

    pub(crate) fn forbid_inviting(&self, room: &str, user: &str) {
        self.inner()
            .rooms
            .get_mut(room)
            .expect("a room")
            .powerless
            .push(user.to_owned());
    }

    pub(crate) fn membership(&self, room: &str, user: &str) -> Option<String> {
        self.inner().membership(room, user)
    }

    pub(crate) fn state(&self, room: &str, kind: &str, key: &str) -> Option<Value> {
        self.inner()
            .rooms
            .get(room)?
            .state
            .get(&(kind.to_owned(), key.to_owned()))
            .cloned()
    }

    pub(crate) fn timeline(&self, room: &str) -> Vec<Value> {
        self.inner().rooms.get(room).expect("a room").timeline.clone()
    }

    /// Somebody sets state.
    pub(crate) fn set_state(&self, room: &str, sender: &str, kind: &str, key: &str, content: Value) {
        self.inner().put(room, sender, kind, Some(key), content);
    }

    /// Somebody sends an event.
    pub(crate) fn send(&self, room: &str, sender: &str, kind: &str, content: Value) -> String {
        self.inner().put(room, sender, kind, None, content)
    }

    pub(crate) fn set_member(&self, room: &str, sender: &str, user: &str, membership: &str) {
        self.set_state(room, sender, "m.room.member", user, json!({ "membership": membership }));
    }
}

/// Pushes events as transactions of one, each until it is taken.
async fn deliver(url: String, hs_token: String, mut events: mpsc::Receiver<Value>) {
    let http = reqwest::Client::new();
    let mut id = 0;
    while let Some(event) = events.recv().await {
        id += 1;
        let address = format!("{url}/_matrix/app/v1/transactions/{id}");
        let body = json!({ "events": [event] });
        while !http
            .put(&address)
            .bearer_auth(&hs_token)
            .json(&body)
            .send()
            .await
            .is_ok_and(|r| r.status().is_success())
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Inner {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn create(&mut self, creator: &str) -> String {
        let number = self.number();
        let (version, id) = match self.older_version {
            Some(older) => (older, format!("!room{number}:hs")),
            // Ids name no server any more.
            None => (NEWEST, format!("!room{number}")),
        };
        self.rooms.insert(id.clone(), Room::default());
        let create = json!({ "room_version": version });
        self.put(&id, creator, "m.room.create", Some(""), create);
        let join = json!({ "membership": "join" });
        self.put(&id, creator, "m.room.member", Some(creator), join);
        id
    }

    /// Whether a user may set state of this type.
    fn may_set(&self, room: &str, user: &str, kind: &str) -> bool {
        let state = |kind: &str| self.rooms[room].state.get(&(kind.to_owned(), String::new()));
        let create = state("m.room.create").expect("a room has one");
        if create["sender"] == user && create["content"]["room_version"] == NEWEST {
            return true;
        }
        let levels = state("m.room.power_levels").map_or(&Value::Null, |event| &event["content"]);
        let level = |path: &Value, otherwise: i64| path.as_i64().unwrap_or(otherwise);
        let own = level(&levels["users"][user], level(&levels["users_default"], 0));
        own >= level(&levels["events"][kind], level(&levels["state_default"], 50))
    }

    fn membership(&self, room: &str, user: &str) -> Option<String> {
        let key = ("m.room.member".to_owned(), user.to_owned());
        let event = self.rooms.get(room)?.state.get(&key)?;
        event["content"]["membership"].as_str().map(ToOwned::to_owned)
    }

    fn put(&mut self, room: &str, sender: &str, kind: &str, key: Option<&str>, content: Value) -> String {
        let id = format!("$event{}", self.number());
        let mut event = json!({
            "room_id": room, "event_id": id, "sender": sender, "type": kind,
            "origin_server_ts": 1_700_000_000_000_u64, "unsigned": { "age": 5 },
        });
        event["content"] = content;
        if let Some(key) = key {
            event["state_key"] = json!(key);
        }
        let place = self.rooms.get_mut(room).expect("a room");
        place.timeline.push(event.clone());
        if let Some(key) = key {
            place.state.insert((kind.to_owned(), key.to_owned()), event.clone());
        }
        for service in &self.services {
            let concerned = self.membership(room, &service.bot).as_deref() == Some("join") || key == Some(&service.bot);
            if concerned {
                service.queue.try_send(event.clone()).expect("room in the queue");
            }
        }
        id
    }
}

async fn answer(
    State(homeserver): State<Homeserver>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let path: Vec<String> = request.uri().path().split('/').map(decode).collect();
    let token = request
        .headers()
        .get("authorization")
        .and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .expect("a body");
    // What is only read is asked for in the query.
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| json!(query));
    let acting = query.get("user_id").cloned();
    let fault = {
        let mut inner = homeserver.inner();
        inner.requests.push(Seen {
            line: format!("{method} {}", path.join("/")),
            acting: acting.clone(),
        });
        inner.faults.pop_front()
    };
    match fault {
        None => {}
        Some(Fault::Status(status, body)) => return (code(status), body.to_string()).into_response(),
        Some(Fault::RetryAfter(seconds)) => {
            let body = json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "slow down" }).to_string();
            return (code(429), [("retry-after", seconds.to_string())], body).into_response();
        }
        Some(Fault::NotJson(status)) => return (code(status), "<html>bad gateway</html>").into_response(),
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ["", "_matrix", "client", "versions"] = path[..] {
        let versions = ok(json!({ "versions": ["v1.7"] }));
        return match homeserver.inner().date {
            Some(date) => ([("date", date)], versions).into_response(),
            None => versions,
        };
    }
    if let ["", "_matrix", "client", "v1", "appservice", id, "ping"] = path[..] {
        return ping(&homeserver, id, token).await;
    }
    let Some(user) = acting.or_else(|| homeserver.user_of(token.as_deref())) else {
        if let (&Method::GET, ["", "_matrix", "client", "v3", "directory", "room", alias]) = (&method, &path[..]) {
            return directory(&homeserver, alias);
        }
        return refuse(401, "M_UNKNOWN_TOKEN");
    };
    match path[..] {
        ["", "_matrix", "client", "v3", ref rest @ ..] => handle(&homeserver, &method, rest, &user, body),
        _ => refuse(404, "M_UNRECOGNIZED"),
    }
}

impl Homeserver {
    fn user_of(&self, token: Option<&str>) -> Option<String> {
        let inner = self.inner();
        inner
            .services
            .iter()
            .find(|service| Some(service.as_token.as_str()) == token)
            .map(|service| service.bot.clone())
    }
}

async fn ping(homeserver: &Homeserver, id: &str, token: Option<String>) -> Response {
    let found = {
        let inner = homeserver.inner();
        let mut services = inner.services.iter();
        let service = services.find(|service| Some(&service.as_token) == token.as_ref());
        service.map(|service| (service.id == id, service.url.clone(), service.hs_token.clone()))
    };
    let (url, hs_token) = match found {
        None => return refuse(401, "M_UNKNOWN_TOKEN"),
        Some((false, ..)) => return refuse(403, "M_FORBIDDEN"),
        Some((true, url, _)) if url.is_empty() => return refuse(400, "M_URL_NOT_SET"),
        Some((true, url, hs_token)) => (url, hs_token),
    };
    let ping = reqwest::Client::new()
        .post(format!("{url}/_matrix/app/v1/ping"))
        .bearer_auth(hs_token)
        .json(&json!({}));
    match ping.send().await {
        Ok(answer) if answer.status().is_success() => ok(json!({ "duration_ms": 1 })),
        Ok(_) => refuse(502, "M_BAD_STATUS"),
        Err(_) => refuse(502, "M_CONNECTION_FAILED"),
    }
}

fn directory(homeserver: &Homeserver, alias: &str) -> Response {
    match homeserver.resolve(alias) {
        Some(room) => ok(json!({ "room_id": room, "servers": ["hs"] })),
        None => refuse(404, "M_NOT_FOUND"),
    }
}

fn handle(homeserver: &Homeserver, method: &Method, path: &[&str], user: &str, body: Value) -> Response {
    let mut inner = homeserver.inner();
    match (method, path) {
        (&Method::POST, ["register"]) => {
            ok(json!({ "user_id": format!("@{}:hs", body["username"].as_str().expect("a name")) }))
        }
        (&Method::GET, ["account", "whoami"]) => ok(json!({ "user_id": user })),
        (&Method::PUT, ["profile", of, "displayname"]) => {
            inner.names.insert(
                (*of).to_owned(),
                body["displayname"].as_str().expect("a name").to_owned(),
            );
            ok(json!({}))
        }
        (&Method::DELETE, ["directory", "room", alias]) => {
            inner.aliases.remove(*alias);
            ok(json!({}))
        }
        (&Method::POST, ["createRoom"]) => create_room(&mut inner, user, &body),
        (_, ["rooms", room, rest @ ..]) if inner.rooms.contains_key(*room) => {
            in_room(&mut inner, method, room, rest, user, body)
        }
        _ => refuse(404, "M_NOT_FOUND"),
    }
}

fn create_room(inner: &mut Inner, user: &str, body: &Value) -> Response {
    let alias = format!("#{}:hs", body["room_alias_name"].as_str().expect("an alias"));
    if inner.aliases.contains_key(&alias) {
        return refuse(400, "M_ROOM_IN_USE");
    }
    let room = inner.create(user);
    let mut levels = body["power_level_content_override"].clone();
    if inner.older_version.is_some() {
        levels["users"][user] = json!(100);
    } else {
        assert!(
            levels["users"].get(user).is_none(),
            "room version 12 refuses a listed creator"
        );
    }
    inner.put(&room, user, "m.room.power_levels", Some(""), levels);
    for event in body["initial_state"].as_array().expect("a list") {
        let (kind, key) = (event["type"].as_str().expect("a type"), event["state_key"].as_str());
        inner.put(&room, user, kind, key, event["content"].clone());
    }
    inner.aliases.insert(alias, room.clone());
    ok(json!({ "room_id": room }))
}

fn in_room(inner: &mut Inner, method: &Method, room: &str, path: &[&str], user: &str, body: Value) -> Response {
    let membership = inner.membership(room, user);
    let member = |inner: &mut Inner, whom: &str, membership: &str| {
        inner.put(
            room,
            user,
            "m.room.member",
            Some(whom),
            json!({ "membership": membership }),
        );
        ok(json!({ "room_id": room }))
    };
    match (method, path, membership.as_deref()) {
        (&Method::POST, ["join"], Some("join")) => ok(json!({ "room_id": room })),
        (&Method::POST, ["join"], Some("invite")) => member(inner, user, "join"),
        (&Method::POST, ["leave"], Some("join" | "invite")) => member(inner, user, "leave"),
        (_, _, None | Some("invite" | "leave" | "ban")) => refuse(403, "M_FORBIDDEN"),
        (&Method::POST, ["invite"], _) => {
            if inner.rooms[room].powerless.iter().any(|powerless| powerless == user) {
                return refuse(403, "M_FORBIDDEN");
            }
            member(inner, body["user_id"].as_str().expect("a user"), "invite")
        }
        (&Method::GET, ["state"], _) => ok(inner.rooms[room].state.values().cloned().collect()),
        (&Method::GET, ["state", kind, key], _) => {
            match inner.rooms[room].state.get(&((*kind).to_owned(), (*key).to_owned())) {
                Some(event) => ok(event.clone()),
                None => refuse(404, "M_NOT_FOUND"),
            }
        }
        (&Method::PUT, ["state", kind, _], _) if !inner.may_set(room, user, kind) => refuse(403, "M_FORBIDDEN"),
        (&Method::PUT, ["state", kind, key], _) => {
            ok(json!({ "event_id": inner.put(room, user, kind, Some(key), body) }))
        }
        (&Method::PUT, ["send", kind, transaction], _) => {
            if let Some(known) = inner.sent.get(*transaction) {
                return ok(json!({ "event_id": known }));
            }
            let id = inner.put(room, user, kind, None, body);
            inner.sent.insert((*transaction).to_owned(), id.clone());
            ok(json!({ "event_id": id }))
        }
        (&Method::GET, ["messages"], _) => {
            let limit = body["limit"].as_str().and_then(|limit| limit.parse().ok());
            let newest_first = inner.rooms[room].timeline.iter().rev();
            let wanted: Vec<_> = newest_first
                .filter(|event| is_wanted(event, &body["filter"]))
                .take(limit.unwrap_or(10))
                .cloned()
                .collect();
            ok(json!({ "start": "s", "chunk": wanted }))
        }
        _ => refuse(404, "M_UNRECOGNIZED"),
    }
}

/// Whether an event is of one of the types that a filter lists, `*` at the end of one standing for anything.
fn is_wanted(event: &Value, filter: &Value) -> bool {
    let filter: Value = serde_json::from_str(filter.as_str().unwrap_or("{}")).expect("a filter");
    let Some(types) = filter["types"].as_array() else {
        return true;
    };
    let kind = event["type"].as_str().expect("a type");
    types.iter().any(|wanted| {
        let wanted = wanted.as_str().expect("a type");
        wanted
            .strip_suffix('*')
            .map_or(wanted == kind, |start| kind.starts_with(start))
    })
}

fn ok(body: Value) -> Response {
    axum::Json(body).into_response()
}

fn refuse(status: u16, errcode: &str) -> Response {
    (
        code(status),
        axum::Json(json!({ "errcode": errcode, "error": "refused" })),
    )
        .into_response()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status")
}

fn decode(part: &str) -> String {
    percent_decode(part.as_bytes())
}

fn percent_decode(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if decoded.is_some() {
            rest = &tail[2..];
        }
        out.push(decoded.unwrap_or(*first));
    }
    String::from_utf8(out).expect("UTF-8")
}
