//! A person's plain Matrix client, as far as tests set rooms up by it.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

/// A user of the stack's homeserver.
#[derive(Debug, Clone)]
pub struct Person {
    client: reqwest::Client,
    homeserver: String,
    /// The full Matrix user id.
    pub user_id: String,
    /// Access token of the device below.
    pub access_token: String,
    /// Device that registration made.
    pub device_id: String,
}

impl Person {
    /// Registers a user; if the name is taken, logs in.
    pub async fn register(homeserver: &str, name: &str) -> Result<Self> {
        let password = format!("{name}-only-for-tests");
        let registration = json!({ "username": name, "password": password, "auth": { "type": "m.login.dummy" } });
        let answer = ask_without_token(homeserver, "register", &registration).await?;
        if answer["errcode"] == "M_USER_IN_USE" {
            return Self::log_in(homeserver, name, &password).await;
        }
        Self::of_session(homeserver, name, &answer)
    }

    /// Logs a user in, on a new device.
    pub async fn log_in(homeserver: &str, name: &str, password: &str) -> Result<Self> {
        let login = json!({
            "type": "m.login.password", "password": password,
            "identifier": { "type": "m.id.user", "user": name },
        });
        let answer = ask_without_token(homeserver, "login", &login).await?;
        Self::of_session(homeserver, name, &answer)
    }

    fn of_session(homeserver: &str, name: &str, answer: &Value) -> Result<Self> {
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let person = Self {
            client: reqwest::Client::new(),
            homeserver: homeserver.to_owned(),
            user_id: text("user_id"),
            access_token: text("access_token"),
            device_id: text("device_id"),
        };
        ensure!(!person.access_token.is_empty(), "{name} has no session: {answer}");
        Ok(person)
    }

    /// A user whose access token is known already.
    pub fn with_token(homeserver: &str, user_id: &str, access_token: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            homeserver: homeserver.to_owned(),
            user_id: user_id.to_owned(),
            access_token: access_token.to_owned(),
            device_id: String::new(),
        }
    }

    /// Calls `/_matrix/client/v3/<path>`; any answer but success is an error that holds it.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.call_any(method, &format!("v3/{path}"), body).await
    }

    /// The same for `/_matrix/client/<path>`.
    async fn call_any(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/_matrix/client/{path}", self.homeserver);
        let mut request = self.client.request(method.clone(), url).bearer_auth(&self.access_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        ensure!(status.is_success(), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// Creates a room and gives its id.
    pub async fn create_room(&self, options: Value) -> Result<String> {
        let answer = self.call(Method::POST, "createRoom", Some(options)).await?;
        Ok(answer["room_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Joins a room that this user is invited to.
    pub async fn join(&self, room: &str) -> Result<()> {
        self.call(Method::POST, &format!("join/{}", escaped(room)), Some(json!({})))
            .await
            .map(drop)
    }

    /// Leaves a room.
    pub async fn leave(&self, room: &str) -> Result<()> {
        let path = format!("rooms/{}/leave", escaped(room));
        self.call(Method::POST, &path, Some(json!({}))).await.map(drop)
    }

    /// Takes somebody out of a room.
    pub async fn remove(&self, room: &str, user_id: &str) -> Result<()> {
        let path = format!("rooms/{}/kick", escaped(room));
        self.call(Method::POST, &path, Some(json!({ "user_id": user_id })))
            .await
            .map(drop)
    }

    /// Invites somebody.
    pub async fn invite(&self, room: &str, user_id: &str) -> Result<()> {
        let path = format!("rooms/{}/invite", escaped(room));
        self.call(Method::POST, &path, Some(json!({ "user_id": user_id })))
            .await
            .map(drop)
    }

    /// What a user's profile shows.
    pub async fn profile(&self, user_id: &str) -> Result<Value> {
        self.call(Method::GET, &format!("profile/{}", escaped(user_id)), None)
            .await
    }

    /// Gets a file of the homeserver's own by its `mxc://` address.
    pub async fn download(&self, address: &str) -> Result<Vec<u8>> {
        let place = address.strip_prefix("mxc://").unwrap_or_default();
        let url = format!("{}/_matrix/client/v1/media/download/{place}", self.homeserver);
        let response = self.client.get(url).bearer_auth(&self.access_token).send().await?;
        Ok(response.error_for_status()?.bytes().await?.to_vec())
    }

    /// Sets a state event.
    pub async fn set_state(&self, room: &str, kind: &str, key: &str, content: Value) -> Result<()> {
        let path = format!("rooms/{}/state/{}/{}", escaped(room), escaped(kind), escaped(key));
        self.call(Method::PUT, &path, Some(content)).await.map(drop)
    }

    /// The content of a state event.
    pub async fn state_event(&self, room: &str, kind: &str, key: &str) -> Result<Value> {
        let path = format!("rooms/{}/state/{}/{}", escaped(room), escaped(kind), escaped(key));
        self.call(Method::GET, &path, None).await
    }

    /// Sends a message-like event.
    pub async fn send(&self, room: &str, kind: &str, content: Value) -> Result<()> {
        let transaction = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_nanos();
        let path = format!("rooms/{}/send/{}/{transaction}", escaped(room), escaped(kind));
        self.call(Method::PUT, &path, Some(content)).await.map(drop)
    }

    /// The events that the homeserver is to send for this user later (MSC4140).
    pub async fn delayed_events(&self) -> Result<Vec<Value>> {
        let path = "unstable/org.matrix.msc4140/delayed_events";
        let answer = self.call_any(Method::GET, path, None).await?;
        Ok(answer["delayed_events"].as_array().cloned().unwrap_or_default())
    }

    /// User ids of the members that have joined.
    pub async fn joined_members(&self, room: &str) -> Result<Vec<String>> {
        let answer = self
            .call(Method::GET, &format!("rooms/{}/joined_members", escaped(room)), None)
            .await?;
        Ok(answer["joined"]
            .as_object()
            .map(|joined| joined.keys().cloned().collect())
            .unwrap_or_default())
    }

    /// All state events of a room.
    pub async fn state(&self, room: &str) -> Result<Vec<Value>> {
        let answer = self
            .call(Method::GET, &format!("rooms/{}/state", escaped(room)), None)
            .await?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// The room that an alias names.
    pub async fn room_of_alias(&self, alias: &str) -> Result<String> {
        let answer = self
            .call(Method::GET, &format!("directory/room/{}", escaped(alias)), None)
            .await?;
        Ok(answer["room_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Takes an alias away.
    pub async fn remove_alias(&self, alias: &str) -> Result<()> {
        let path = format!("directory/room/{}", escaped(alias));
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    /// The latest events of a room's timeline, newest first.
    pub async fn latest(&self, room: &str, limit: usize) -> Result<Vec<Value>> {
        let path = format!("rooms/{}/messages?dir=b&limit={limit}", escaped(room));
        let answer = self.call(Method::GET, &path, None).await?;
        Ok(answer["chunk"].as_array().cloned().unwrap_or_default())
    }
}

/// What the homeserver answers to somebody who has no session, be it an error.
async fn ask_without_token(homeserver: &str, path: &str, body: &Value) -> Result<Value> {
    let url = format!("{homeserver}/_matrix/client/v3/{path}");
    Ok(reqwest::Client::new().post(url).json(body).send().await?.json().await?)
}

/// A path segment with everything escaped that is not plainly allowed in one.
fn escaped(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
