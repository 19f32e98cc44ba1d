//! A path between the two ends that can be cut: each epoch's packets go through a relay of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// The relays of all epochs so far, by channel id.
#[derive(Clone, Default)]
pub(crate) struct Relays {
    all: Arc<Mutex<BTreeMap<String, Relay>>>,
}

struct Relay {
    /// Stands for the answering side towards the asking side.
    near_asker: Arc<UdpSocket>,
    /// Stands for the asking side towards the answering side, once there is an accept.
    near_answerer: Option<Arc<UdpSocket>>,
    answerer: SocketAddr,
    cut: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Relays {
    /// Puts the relay's addresses in place of those in an offer and its accept.
    pub(crate) fn divert(&self, kind: &str, mut content: Value) -> Value {
        if kind != signalling::names::OFFER && kind != signalling::names::ACCEPT {
            return content;
        }
        // Who changes a sealed offer on the way gets two sides that do not understand each other.
        if content["format"] != signalling::Format::PlainOpus.code() {
            return content;
        }
        let mut all = self.all.lock().expect("a lock");
        let channel = content["channel_id"].as_str().expect("a channel id").to_owned();
        let address = own_address(&content);
        let port = if kind == signalling::names::OFFER {
            // A repeated offer gets the relay of the first.
            let relay = all.entry(channel).or_insert_with(|| Relay::before(address));
            relay.near_asker.local_addr().expect("an address").port()
        } else {
            all.get_mut(&channel).expect("an offer came before").start(address)
        };
        content["port"] = port.into();
        content
    }

    /// Lets nothing through any more in the epochs so far.
    pub(crate) fn cut(&self) {
        for relay in self.all.lock().expect("a lock").values() {
            relay.cut.store(true, Ordering::SeqCst);
        }
    }
}

impl Relay {
    fn before(answerer: SocketAddr) -> Self {
        Self {
            near_asker: Arc::new(socket()),
            near_answerer: None,
            answerer,
            cut: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Relays from now on; returns the port that stands for the asking side towards the answering side.
    fn start(&mut self, asker: SocketAddr) -> u16 {
        if let Some(near_answerer) = &self.near_answerer {
            return near_answerer.local_addr().expect("an address").port();
        }
        let near_answerer = Arc::new(socket());
        let port = near_answerer.local_addr().expect("an address").port();
        let there = pump(&self.near_asker, &near_answerer, self.answerer, &self.cut);
        let back = pump(&near_answerer, &self.near_asker, asker, &self.cut);
        self.tasks.spawn(there);
        self.tasks.spawn(back);
        self.near_answerer = Some(near_answerer);
        port
    }
}

fn socket() -> UdpSocket {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    socket.set_nonblocking(true).expect("a socket");
    UdpSocket::from_std(socket).expect("a runtime")
}

fn pump(
    from: &Arc<UdpSocket>,
    by: &Arc<UdpSocket>,
    to: SocketAddr,
    cut: &Arc<AtomicBool>,
) -> impl Future<Output = ()> + Send + 'static {
    let (from, by, cut) = (Arc::clone(from), Arc::clone(by), Arc::clone(cut));
    async move {
        let mut packet = [0; 2_000];
        while let Ok(length) = from.recv(&mut packet).await {
            if !cut.load(Ordering::SeqCst) {
                // What cannot be sent is lost, as on any path.
                let _ = by.send_to(&packet[..length], to).await;
            }
        }
    }
}

fn own_address(content: &Value) -> SocketAddr {
    let ip = content["address"]
        .as_str()
        .expect("an address")
        .parse()
        .expect("an address");
    let port = u16::try_from(content["port"].as_u64().expect("a port")).expect("a port");
    SocketAddr::new(ip, port)
}
