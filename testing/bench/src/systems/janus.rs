//! Janus with its AudioBridge: a peer that decodes everybody, mixes, and encodes for everybody, all the time.
//!
//! Debian's package, one process, all on 127.0.0.1. Its participants speak plain RTP, so that no encryption is measured.

use super::{Running, System};
use crate::ground::Reach;
use crate::speech::BITRATE;
use crate::wire::{PAYLOAD_TYPE, Wire};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long Janus may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// How long Janus may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Plug-ins and transports that are of no use here.
const PLUGINS: &str = "duktape echotest lua nosip recordplay sip streaming textroom videocall videoroom voicemail";
const TRANSPORTS: &str = "mqtt nanomsg pfunix rabbitmq websockets";

/// Janus AudioBridge.
#[derive(Debug, Clone, Copy)]
pub struct Janus {
    /// Packets that it waits for before it plays who begins to send.
    pub prebuffering: u32,
    /// The complexity of its encoders.
    pub complexity: u32,
}

impl Janus {
    /// Whether there is one on this machine.
    pub fn is_there() -> bool {
        let mut version = Command::new("janus");
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        // It says its version and calls that a failure.
        version.status().is_ok()
    }
}

impl System for Janus {
    fn name(&self) -> String {
        format!("Janus, prebuffering {}", self.prebuffering)
    }

    fn start(&self, rooms: usize, parties: &[SocketAddr]) -> Result<Running> {
        let folder = tempfile::Builder::new().prefix("vdp-bench-janus-").tempdir()?;
        let port = configure(folder.path())?;
        let child = Command::new("janus")
            .arg("--configs-folder")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(folder.path().join("log"))?)
            .stderr(Stdio::null())
            .spawn()
            .context("Janus could not be started")?;
        let mut running = Running {
            child,
            reach: Reach {
                wire: Wire::Rtp,
                to: Vec::new(),
            },
            folder: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let to = runtime.block_on(self.fill(port, rooms, parties));
        running.reach.to = to.with_context(|| format!("Janus said:\n{}", log_of(&folder)))?;
        running.folder = Some(folder);
        Ok(running)
    }
}

impl Janus {
    /// Opens the rooms and has everybody join; gives back where Janus hears them.
    async fn fill(&self, port: u16, rooms: usize, parties: &[SocketAddr]) -> Result<Vec<Vec<SocketAddr>>> {
        let session = Session::begin(port).await?;
        let mut to = vec![Vec::new(); parties.len()];
        for room in 1..=rooms {
            for (number, (&party, to)) in parties.iter().zip(&mut to).enumerate() {
                let handle = session.attach().await?;
                if number == 0 {
                    session.ask(handle, &self.room(room)).await?;
                }
                to.push(session.join(handle, &self.participant(room, party)).await?);
            }
        }
        Ok(to)
    }

    fn room(self, room: usize) -> Value {
        json!({
            "request": "create",
            "room": room,
            "sampling_rate": 48_000,
            "spatial_audio": false,
            "audiolevel_event": false,
            "allow_rtp_participants": true,
            "default_prebuffering": self.prebuffering,
            "default_bitrate": BITRATE,
        })
    }

    fn participant(self, room: usize, party: SocketAddr) -> Value {
        json!({
            "request": "join",
            "room": room,
            "quality": self.complexity,
            "bitrate": BITRATE,
            "prebuffer": self.prebuffering,
            "expected_loss": 0,
            "rtp": {"ip": party.ip(), "port": party.port(), "payload_type": PAYLOAD_TYPE},
        })
    }
}

/// Writes a configuration to a folder; gives back the port of the interface.
fn configure(folder: &Path) -> Result<u16> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let without = |names: &str| {
        let files = names.split(' ').map(|name| format!("libjanus_{name}.so"));
        files.collect::<Vec<_>>().join(",")
    };
    let main = format!(
        "general: {{ configs_folder = \"{}\"\n interface = \"127.0.0.1\"\n debug_level = 2\n session_timeout = 0 }}\n\
         plugins: {{ disable = \"{}\" }}\ntransports: {{ disable = \"{}\" }}\nloggers: {{ disable = \"libjanus_jsonlog.so\" }}\n",
        folder.display(),
        without(PLUGINS),
        without(TRANSPORTS),
    );
    let http = format!(
        "general: {{ base_path = \"/janus\"\n http = true\n port = {port}\n ip = \"127.0.0.1\"\n https = false }}\n\
         admin: {{ admin_http = false }}\n"
    );
    // Below what the system gives to those who ask for any port.
    let audio_bridge = "general: { local_ip = \"127.0.0.1\"\n rtp_port_range = \"20000-32000\" }\n";
    let files = [
        ("janus.jcfg", main.as_str()),
        ("janus.transport.http.jcfg", &http),
        ("janus.plugin.audiobridge.jcfg", audio_bridge),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(port)
}

fn log_of(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}

/// A session with a Janus.
struct Session {
    client: reqwest::Client,
    url: String,
}

impl Session {
    async fn begin(port: u16) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(ANSWERS_WITHIN).no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}/janus");
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            match post(&client, &url, json!({"janus": "create"})).await {
                Ok(answer) => {
                    let url = format!("{url}/{}", id_in(&answer)?);
                    return Ok(Self { client, url });
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// A handle of the AudioBridge, which becomes one participant.
    async fn attach(&self) -> Result<u64> {
        let attach = json!({"janus": "attach", "plugin": "janus.plugin.audiobridge"});
        id_in(&post(&self.client, &self.url, attach).await?)
    }

    /// Asks for something that is answered at once.
    async fn ask(&self, handle: u64, body: &Value) -> Result<Value> {
        let url = format!("{}/{handle}", self.url);
        post(&self.client, &url, json!({"janus": "message", "body": body})).await
    }

    /// Has somebody join a room; gives back where Janus hears him.
    async fn join(&self, handle: u64, body: &Value) -> Result<SocketAddr> {
        self.ask(handle, body).await?;
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while Instant::now() < deadline {
            let url = format!("{}?maxev=100", self.url);
            let events: Value = self.client.get(url).send().await?.json().await?;
            // The others in the room are told too.
            let own = |event: &&Value| event.get("sender").and_then(Value::as_u64) == Some(handle);
            for event in events.as_array().into_iter().flatten().filter(own) {
                if let Some(at) = event.pointer("/plugindata/data/rtp") {
                    let ip = at.get("ip").and_then(Value::as_str).context("its address")?;
                    let port = at.get("port").and_then(Value::as_u64).context("its port")?;
                    return Ok(SocketAddr::new(ip.parse()?, u16::try_from(port)?));
                }
                let refused = event.pointer("/plugindata/data/error");
                ensure!(refused.is_none(), "Janus lets nobody in: {refused:?}");
            }
        }
        bail!("Janus does not say where it hears a participant")
    }
}

async fn post(client: &reqwest::Client, url: &str, mut body: Value) -> Result<Value> {
    if let Some(body) = body.as_object_mut() {
        body.insert("transaction".to_owned(), json!("bench"));
    }
    let text = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer: Value = text.send().await?.json().await?;
    let refused = answer.pointer("/plugindata/data/error").or(answer.get("error"));
    ensure!(refused.is_none(), "Janus refuses: {refused:?}");
    Ok(answer)
}

fn id_in(answer: &Value) -> Result<u64> {
    let id = answer.pointer("/data/id").and_then(Value::as_u64);
    id.with_context(|| format!("Janus gives no id: {answer}"))
}
