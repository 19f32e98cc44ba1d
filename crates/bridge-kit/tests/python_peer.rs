//! The real endpoint and `testing/vdp-python` talk to each other, and the Opus packets arrive as they were (S1, S9).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc as heard;
use std::time::Duration;

use bridge_kit::config::Vdp;
use bridge_kit::vdp::{Drops, Endpoint, Received};
use serde_json::Value;
use tokio::sync::mpsc;

const ROOM: &str = "!qPNOnUsNsZrToFZqxB:half-shot.uk";
const PACE: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_mins(1);

fn python() -> PathBuf {
    let tools = std::env::var_os("VDP_TOOLS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home directory")).join(".cache/vdp/tools"),
        PathBuf::from,
    );
    let python = tools.join("venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `cargo xtask setup` first",
        python.display()
    );
    python
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/vdp-python")
}

/// The Opus packets of the speech, without the two headers of the file (RFC 7845).
fn speech() -> Vec<Vec<u8>> {
    let file = File::open(directory().join("speech.opus")).expect("the speech is there");
    let mut reader = ogg::PacketReader::new(file);
    let mut packets = std::iter::from_fn(|| reader.read_packet().expect("an Ogg file")).map(|packet| packet.data);
    assert!(
        packets
            .by_ref()
            .take(2)
            .last()
            .is_some_and(|tags| tags.starts_with(b"OpusTags"))
    );
    packets.collect()
}

/// The Python program. Ended with the test, however that ends.
struct Peer {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(to: SocketAddr, expect: usize) -> Self {
        let mut process = Command::new(python())
            .arg(directory().join("vdp_peer.py"))
            .args([
                "--room",
                ROOM,
                "--peer",
                &to.to_string(),
                "--expect",
                &expect.to_string(),
            ])
            .args([
                "--pace",
                &PACE.as_secs_f64().to_string(),
                "--patience",
                &LIMIT.as_secs().to_string(),
            ])
            .arg("--file")
            .arg(directory().join("speech.opus"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let stdout = process.stdout.take().expect("its output is a pipe");
        Self {
            process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The next line; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let line = self.lines.next()?.expect("readable output");
        Some(serde_json::from_str(&line).expect("a line of JSON"))
    }

    fn address(&mut self) -> SocketAddr {
        let first = self
            .next()
            .expect("it says where it listens (is msgpack missing? run `cargo xtask setup`)");
        let port = first
            .pointer("/listening/1")
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok());
        SocketAddr::from(([127, 0, 0, 1], port.expect("a port")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2).map(|start| &digits[start..start + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_s9_a_python_peer_and_the_endpoint_hear_each_other_exactly() {
    let speech = speech();
    assert!(speech.len() > 300, "some seconds of speech");
    let endpoint = Endpoint::bind(&Vdp::loopback(0)).unwrap();
    let reservation = endpoint.reserve(ROOM).unwrap();
    let mut peer = Peer::start(reservation.address(), speech.len());

    let (sender, heard) = heard::channel();
    let receiver = move |packet: Received<'_>| {
        let _ = sender.send((packet.sequence, packet.voice.to_vec()));
    };
    let (events, _events) = mpsc::channel(8);
    let link = reservation.connect(peer.address(), Box::new(receiver), events).unwrap();
    for packet in &speech {
        link.send(packet, 0);
        tokio::time::sleep(PACE).await;
    }

    let lines: Vec<Value> = tokio::task::spawn_blocking(move || std::iter::from_fn(|| peer.next()).collect())
        .await
        .expect("the peer ends by itself");
    let (last, packets) = lines.split_last().expect("it reports");
    assert_eq!(last["sent"], speech.len());
    assert_eq!(last["ignored"], 0);

    // From Rust to Python: keep-alives and voice without a gap, the voice as it was.
    let indices: Vec<u64> = packets.iter().filter_map(|packet| packet["i"].as_u64()).collect();
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
    let voice = packets
        .iter()
        .filter_map(|packet| packet["d"].as_str())
        .map(unhex)
        .filter(|voice| !voice.is_empty());
    assert!(
        voice.eq(speech.iter().cloned()),
        "what Python heard differs from what was sent"
    );

    // From Python to Rust: the same.
    let (sequences, heard): (Vec<u64>, Vec<Vec<u8>>) = heard.try_iter().unzip();
    assert_eq!(sequences, (0..sequences.len() as u64).collect::<Vec<_>>());
    assert!(
        heard.into_iter().filter(|voice| !voice.is_empty()).eq(speech),
        "what Rust heard differs"
    );
    assert_eq!(endpoint.drops(), Drops::default());
    assert_eq!(link.stats().lost, 0);
}
