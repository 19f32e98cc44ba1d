//! The sealed form on 127.0.0.1: what opens is heard, and the address of the peer is where it shows itself (B6, S3).

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc as heard;
use std::time::{Duration, Instant};

use bridge_kit::config::Vdp;
use bridge_kit::vdp::{Endpoint, Link, Received, SealedPeer};
use tokio::sync::mpsc;
use vdp_proto::sealed::{Aead, EpochKeys, Role, ShareSecret};
use vdp_proto::{MAX_DATAGRAM, Packet};

const VOICE: &[u8] = &[0xf8, 0xff, 0xfe];
const LIMIT: Duration = Duration::from_secs(10);

/// Keep-alives that nobody asks for come so late that no test sees them.
fn endpoint() -> Endpoint {
    let calm = Vdp {
        keep_alive: Duration::from_mins(1),
        broken_after: Duration::from_mins(3),
        ..Vdp::loopback(0)
    };
    Endpoint::bind(&calm).expect("a port")
}

async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn keys(role: Role) -> EpochKeys {
    let secret = |byte| ShareSecret::from_random([byte; 32]);
    let (own, peer) = match role {
        Role::Asking => (1, 2),
        Role::Answering => (2, 1),
    };
    secret(own)
        .agree(&secret(peer).share(), &[3; 32], b"")
        .expect("a good share")
}

fn peer(role: Role, channel: u64, address: SocketAddr) -> SealedPeer {
    let (sealer, opener) = keys(role).into_ends(role, Aead::Aes256Gcm, channel);
    SealedPeer {
        address,
        channel,
        sealer,
        opener,
    }
}

struct Side {
    link: Link,
    heard: heard::Receiver<Vec<u8>>,
    _events: mpsc::Receiver<bridge_kit::vdp::LinkEvent>,
}

impl Side {
    fn open(endpoint: &Endpoint, room: &str, peer: SealedPeer) -> Self {
        let (sender, heard) = heard::channel();
        let (events, kept) = mpsc::channel(8);
        let receiver = move |packet: Received<'_>| {
            if !packet.voice.is_empty() {
                let _ = sender.send(packet.voice.to_vec());
            }
        };
        let reservation = endpoint.reserve_sealed(room).expect("a port");
        let link = reservation.connect(peer, Box::new(receiver), events);
        Self {
            link: link.expect("the peer can be sent to"),
            heard,
            _events: kept,
        }
    }

    /// Speaks until the other side hears it: at first the addresses have to prove themselves.
    async fn is_heard_by(&self, other: &Self, voice: &[u8]) {
        until("a voice", || {
            self.link.send(voice, 0);
            other.heard.try_iter().any(|heard| heard == voice)
        })
        .await;
    }
}

/// A socket without any of our code behind it.
fn stranger() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(LIMIT)).expect("a time-out");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 2 * MAX_DATAGRAM];
    let (length, from) = socket.recv_from(&mut datagram).expect("a datagram in time");
    datagram.truncate(length);
    (datagram, from)
}

#[tokio::test]
async fn s3_one_port_carries_two_rooms_and_every_epoch() {
    let (left, right) = (endpoint(), endpoint());
    for (channel, room) in [(7, "!a:x"), (8, "!b:x"), (9, "!a:x")] {
        let asking = Side::open(&left, room, peer(Role::Asking, channel, right.address()));
        let answering = Side::open(&right, room, peer(Role::Answering, channel, left.address()));
        asking.is_heard_by(&answering, VOICE).await;
        answering.is_heard_by(&asking, &[0xf8, 1, 2]).await;
    }
}

#[tokio::test]
async fn a_room_is_heard_only_on_its_own_channel() {
    let (left, right) = (endpoint(), endpoint());
    let asking = Side::open(&left, "!a:x", peer(Role::Asking, 7, right.address()));
    let answering = Side::open(&right, "!b:x", peer(Role::Answering, 7, left.address()));
    until("drops at both ends", || {
        asking.link.send(&[], 0);
        answering.link.send(&[], 0);
        right.drops().wrong_room > 0 && left.drops().wrong_room > 0
    })
    .await;
    for side in [asking, answering] {
        assert_eq!(side.link.stats().last_heard, None);
    }
}

#[tokio::test]
async fn what_strangers_send_does_nothing_but_count() {
    let (left, right) = (endpoint(), endpoint());
    let (relay, relay_address) = stranger();
    let (_nowhere, nowhere) = stranger();
    let asking = Side::open(&left, "!a:x", peer(Role::Asking, 7, relay_address));
    let answering = Side::open(&right, "!a:x", peer(Role::Answering, 7, nowhere));
    let (mut datagram, _) = receive(&relay);
    let send = |datagram: &[u8]| {
        relay.send_to(datagram, right.address()).expect("loopback takes it");
    };
    for _ in 0..3 {
        send(&datagram);
    }
    until("two replays", || right.drops().replayed == 2).await;
    datagram[20] ^= 1;
    datagram[17] = 200;
    send(&datagram);
    until("a forgery", || right.drops().forged == 1).await;
    datagram[9] ^= 1;
    send(&datagram);
    until("a stranger's channel", || right.drops().unknown_channel == 1).await;
    let mut plain = [0; MAX_DATAGRAM];
    let packet = Packet {
        room: "!a:x",
        voice: VOICE,
        index: 1,
    };
    let length = packet.encode(&mut plain).expect("it fits");
    send(&plain[..length]);
    until("a plain packet", || right.drops().unknown_sender == 1).await;
    assert_eq!(answering.heard.try_iter().count(), 0);
    assert_eq!(answering.link.stats().keep_alives_received, 1);
    drop(asking);
}

#[tokio::test]
async fn an_address_that_never_answers_gets_no_voice_and_few_keep_alives() {
    let left = endpoint();
    let (victim, address) = stranger();
    victim.set_nonblocking(true).expect("a mode");
    let side = Side::open(&left, "!a:x", peer(Role::Asking, 7, address));
    let begun = Instant::now();
    let mut buffer = [0; 2 * MAX_DATAGRAM];
    let mut arrived = 0;
    while begun.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(side.link.send(VOICE, 0), None, "withheld");
        while victim.recv_from(&mut buffer).is_ok() {
            arrived += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let most = 1 + begun.elapsed().as_secs();
    assert!(
        (2..=most).contains(&arrived),
        "{arrived} datagrams in {:?}",
        begun.elapsed()
    );
    let stats = side.link.stats();
    assert_eq!((stats.sent, stats.keep_alives_sent), (0, arrived));
    assert!(stats.withheld > 0);
}

/// As when an address translator gives the peer another port in mid-call.
#[tokio::test]
async fn b6_voice_follows_a_peer_whose_address_moves() {
    let (left, right) = (endpoint(), endpoint());
    let (_nobody, negotiated) = stranger();
    let (second, _) = stranger();
    // The address that was negotiated is another than the one that the packets come from.
    let asking = Side::open(&left, "!a:x", peer(Role::Asking, 7, right.address()));
    let answering = Side::open(&right, "!a:x", peer(Role::Answering, 7, negotiated));
    asking.is_heard_by(&answering, VOICE).await;
    answering.is_heard_by(&asking, VOICE).await;
    // Now it changes once more.
    let (sealer, _) = keys(Role::Asking).into_ends(Role::Asking, Aead::Aes256Gcm, 7);
    let packet = Packet {
        room: "!a:x",
        voice: &[],
        index: 5_000,
    };
    let mut datagram = [0; MAX_DATAGRAM];
    let mut length = 0;
    // A counter that is above all that were used.
    for _ in 0..100_000 {
        length = sealer.seal(&packet, &mut datagram).expect("it fits");
    }
    second
        .send_to(&datagram[..length], right.address())
        .expect("loopback takes it");
    second.set_nonblocking(true).expect("a mode");
    let mut buffer = [0; 2 * MAX_DATAGRAM];
    // Far longer than a keep-alive.
    let speech = [0x08; 160];
    until("voice at the new address", || {
        answering.link.send(&speech, 0);
        second
            .recv_from(&mut buffer)
            .is_ok_and(|(length, from)| length > speech.len() && from == right.address())
    })
    .await;
}
