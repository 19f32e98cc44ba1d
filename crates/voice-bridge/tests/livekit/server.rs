//! A LiveKit server of one's own, on loopback.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use voice_bridge::livekit::Access;
use voice_bridge::reach::Reach;

const KEY: &str = "key";
const SECRET: &str = "a secret of thirty-two characters or more";
const ROOM: &str = "room";

/// Where the program is: on `PATH`, else where `cargo xtask setup` puts it.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = std::env::var_os("VDP_TOOLS").map(PathBuf::from);
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".cache/vdp/tools"));
    let set_up = tools.or_else(home).map(|tools| tools.join("bin"));
    let mut folders = std::env::split_paths(&path).chain(set_up);
    folders.find_map(|folder| Some(folder.join("livekit-server")).filter(|program| program.is_file()))
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let port = free_tcp();
        // JSON is YAML.
        let configuration = configuration(port).to_string();
        std::fs::write(folder.path().join("livekit.yaml"), configuration).expect("configuration");
        let mut server = Self {
            program,
            folder,
            port,
            child: None,
        };
        server.resume().await;
        server
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn resume(&mut self) {
        let child = Command::new(&self.program)
            .args(["--config", "livekit.yaml"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("the server starts"));
        let listens = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let listens = tokio::time::timeout(Duration::from_secs(30), listens).await;
        listens.expect("the server listens");
    }

    /// Ends it without a word to anybody.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("killed");
    }

    /// A way in, for somebody.
    pub(crate) fn access(&self, identity: &str) -> Access {
        self.access_signed(identity, SECRET)
    }

    /// The same, signed by something else than the server's secret.
    pub(crate) fn forged_access(&self, identity: &str) -> Access {
        self.access_signed(identity, "not the server's secret")
    }

    fn access_signed(&self, identity: &str, secret: &str) -> Access {
        Access {
            url: format!("ws://127.0.0.1:{}", self.port),
            token: token(identity, secret),
            reach: Reach::Anywhere,
            attributes: true,
        }
    }
}

fn configuration(port: u16) -> Value {
    json!({
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "udp_port": free_udp(),
            "tcp_port": free_tcp(),
            "node_ip": "127.0.0.1",
            "use_external_ip": false,
            "enable_loopback_candidate": true,
            "interfaces": {"includes": ["lo"]},
            "stun_servers": [format!("127.0.0.1:{}", free_udp())],
        },
        "keys": {KEY: SECRET},
        "room": {"auto_create": true},
    })
}

fn free_tcp() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("socket");
    socket.local_addr().expect("address").port()
}

fn free_udp() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.local_addr().expect("address").port()
}

/// A JWT as an authorisation service mints it.
fn token(identity: &str, secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_secs();
    let claims = json!({
        "iss": KEY,
        "sub": identity,
        "nbf": now - 60,
        "exp": now + 3600,
        "video": {"roomJoin": true, "room": ROOM, "canPublish": true, "canSubscribe": true},
    });
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("key");
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}
