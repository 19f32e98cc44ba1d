//! The kit against real HTTP: a homeserver in memory on one side, hand-made requests on the other.
#![expect(
    clippy::indexing_slicing,
    reason = "a test that looks for what is not there should fail"
)]

mod appservice;
mod client;
mod configuration;
mod control_room;
mod doctor;
mod health;
mod homeserver;
mod log;
mod rooms;
mod rtc;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bridge_kit::cli::{Program, Role};
use bridge_kit::config::{Appservice, Config, Reader};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(20);

fn program(name: &'static str, role: Role, bot: &'static str) -> Program {
    Program {
        name,
        version: "0.0.0",
        about: "Tests the kit",
        role,
        bot,
        ghost_prefix: "_ghost_",
        appservice_port: 29331,
        telemetry_port: 29332,
        vdp_port: 29400,
    }
}

/// A TCP port that is free, and stays so until it is used: below those that the system gives to whoever asks for any, and given
/// to nobody here before.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .take_while(|port| *port < 32_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// The settings of a bridge at a homeserver.
fn config(role: Role, homeserver: &str, port: u16) -> Config<()> {
    let (name, bot, peer) = match role {
        Role::Asks => ("voice", "voicebot", "otherbot"),
        Role::Answers => ("other", "otherbot", "voicebot"),
    };
    let text = format!(
        r#"
        [homeserver]
        url = "{homeserver}"
        name = "hs"
        [appservice]
        id = "{name}"
        listen = "127.0.0.1:{port}"
        as_token = "as-{name}"
        hs_token = "hs-{name}"
        [peer]
        user_id = "@{peer}:hs"
        [links]
        trusted_bridges = ["@admin:hs"]
        "#
    );
    let program = program("test-bridge", role, bot);
    let reader = Reader::from_toml::<()>(&program, &text).expect("valid settings");
    Config::read(&reader).expect("valid settings")
}

fn appservice(homeserver: &str, port: u16) -> Appservice {
    config(Role::Asks, homeserver, port).appservice
}

/// Waits until `condition` holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not happen within {DEADLINE:?}");
}

/// Waits for something that must come soon.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}
