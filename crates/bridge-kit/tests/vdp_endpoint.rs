//! The UDP end of VDP on 127.0.0.1: who is heard, what is dropped and why, what a channel tells its owner.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc as heard;
use std::time::{Duration, Instant};

use bridge_kit::config::Vdp;
use bridge_kit::vdp::{Drops, Endpoint, Link, LinkEvent, OpenError, Received, Reservation, ReserveError};
use tokio::sync::mpsc;
use vdp_proto::{MAX_DATAGRAM, Packet};

const VOICE: &[u8] = &[0xf8, 0xff, 0xfe];
/// Nobody listens there, and the system gives no such port to anybody who asks for a free one.
const NOBODY: &str = "127.0.0.1:1";
const LIMIT: Duration = Duration::from_secs(10);

fn quick() -> Vdp {
    Vdp {
        keep_alive: Duration::from_millis(100),
        broken_after: Duration::from_millis(300),
        ..Vdp::loopback(0)
    }
}

/// Keep-alives and silence come so late that no test sees them.
fn calm() -> Vdp {
    Vdp {
        keep_alive: Duration::from_mins(1),
        broken_after: Duration::from_mins(3),
        ..Vdp::loopback(0)
    }
}

/// Looks again and again until `ready` says so; the deadline is for failures only.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A link with what it heard, as (sequence, voice).
struct Side {
    address: SocketAddr,
    link: Link,
    heard: heard::Receiver<(u64, Vec<u8>)>,
    events: mpsc::Receiver<LinkEvent>,
}

impl Side {
    fn open(reservation: Reservation, peer: SocketAddr) -> Self {
        let address = reservation.address();
        let (sender, heard) = heard::channel();
        let (events_sender, events) = mpsc::channel(8);
        let receiver = move |packet: Received<'_>| {
            let _ = sender.send((packet.sequence, packet.voice.to_vec()));
        };
        let link = reservation
            .connect(peer, Box::new(receiver), events_sender)
            .expect("the peer can be sent to");
        Self {
            address,
            link,
            heard,
            events,
        }
    }

    /// The next voice packet, keep-alives passed over.
    async fn next_voice(&self) -> (u64, Vec<u8>) {
        let mut found = None;
        until("a voice packet", || {
            found = self.heard.try_iter().find(|(_, voice)| !voice.is_empty());
            found.is_some()
        })
        .await;
        found.expect("waited for it")
    }

    async fn next_event(&mut self) -> LinkEvent {
        let event = tokio::time::timeout(LIMIT, self.events.recv())
            .await
            .expect("an event comes in time");
        event.expect("the link lives")
    }
}

/// Both sides of one room's channel.
fn connect(room: &str, left: &Endpoint, right: &Endpoint) -> (Side, Side) {
    let (left, right) = (
        left.reserve(room).expect("a port"),
        right.reserve(room).expect("a port"),
    );
    let (left_address, right_address) = (left.address(), right.address());
    (Side::open(left, right_address), Side::open(right, left_address))
}

/// A socket without any of our code behind it.
struct Stranger(UdpSocket);

impl Stranger {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) {
        self.0.send_to(datagram, to).expect("loopback takes it");
    }

    fn send_packet(&self, room: &str, index: u64, to: SocketAddr) {
        let packet = Packet {
            room,
            voice: VOICE,
            index,
        };
        let mut datagram = vec![0; MAX_DATAGRAM];
        let length = packet.encode(&mut datagram).expect("a good packet");
        datagram.truncate(length);
        self.send(&datagram, to);
    }

    /// The next packet as (index, voice).
    fn receive(&self, room: &str) -> (u64, Vec<u8>) {
        let mut datagram = vec![0; 2 * MAX_DATAGRAM];
        let (length, _) = self.0.recv_from(&mut datagram).expect("a packet comes in time");
        datagram.truncate(length);
        let packet = Packet::decode(&datagram).expect("a packet of VDP");
        assert_eq!(packet.room, room);
        (packet.index, packet.voice.to_vec())
    }
}

#[tokio::test]
async fn s1_s9_voice_goes_both_ways() {
    let (left, right) = (Endpoint::bind(&calm()).unwrap(), Endpoint::bind(&calm()).unwrap());
    let (left, right) = connect("!r:x", &left, &right);
    left.link.send(&[0xf8, 1], 0);
    right.link.send(&[0xf8, 2], 0);
    assert_eq!(right.next_voice().await.1, [0xf8, 1]);
    assert_eq!(left.next_voice().await.1, [0xf8, 2]);
}

#[tokio::test]
async fn s3_one_port_carries_two_channels_and_many_rooms_told_apart_by_room() {
    let hub = Endpoint::bind(&calm()).unwrap();
    let peers = [Endpoint::bind(&calm()).unwrap(), Endpoint::bind(&calm()).unwrap()];
    let mut sides = Vec::new();
    for (peer, endpoint) in (0_u8..).zip(&peers) {
        for room in 0..20 {
            let (near, far) = connect(&format!("!{room}:peer{peer}"), &hub, endpoint);
            sides.push((near, far, [0xf8, peer, room]));
        }
    }
    for (near, far, mark) in &sides {
        near.link.send(mark, 0);
        far.link.send(mark, 0);
    }
    for (near, far, mark) in &sides {
        assert_eq!(near.next_voice().await.1, mark);
        assert_eq!(far.next_voice().await.1, mark);
    }
    assert_eq!(hub.drops().wrong_room + hub.drops().unknown_sender, 0);
    for (near, _, _) in &sides {
        assert_eq!(near.address, hub.address(), "all rooms share one port");
    }
}

#[tokio::test]
async fn s3_the_same_room_id_of_two_peers_are_two_rooms_of_two_ports() {
    let hub = Endpoint::bind(&calm()).unwrap();
    let (first, second) = (hub.reserve("!r:x").unwrap(), hub.reserve("!r:x").unwrap());
    assert_eq!(first.address(), hub.address());
    assert_ne!(second.address(), hub.address());
}

#[tokio::test]
async fn the_first_packet_is_a_keep_alive_and_every_packet_counts() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    assert_eq!(peer.receive("!r:x"), (0, vec![]));
    assert_eq!(side.link.send(VOICE, 0), Some(1));
    assert_eq!(
        side.link.send(VOICE, 3),
        Some(5),
        "three that the source lost are skipped"
    );
    assert_eq!(peer.receive("!r:x").0, 1);
    assert_eq!(peer.receive("!r:x"), (5, VOICE.to_vec()));
    let stats = side.link.stats();
    assert_eq!((stats.sent, stats.keep_alives_sent, stats.send_failures), (2, 1, 0));
}

#[tokio::test]
async fn packets_leave_from_the_port_at_which_they_are_heard() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let reservation = endpoint.reserve("!r:x").unwrap();
    let address = reservation.address();
    let _side = Side::open(reservation, peer.address());
    let (_, from) = peer.0.recv_from(&mut [0; MAX_DATAGRAM]).unwrap();
    assert_eq!(from, address);
}

#[tokio::test]
async fn who_is_silent_sends_keep_alives_and_who_hears_them_stays_calm() {
    let (left, right) = (Endpoint::bind(&quick()).unwrap(), Endpoint::bind(&quick()).unwrap());
    let (mut left, right) = connect("!r:x", &left, &right);
    until("ten keep-alives", || left.link.stats().keep_alives_received >= 10).await;
    assert_eq!(left.link.stats().lost, 0, "keep-alives leave no gap");
    assert_eq!(left.next_event().await, LinkEvent::Heard);
    assert!(
        left.events.try_recv().is_err(),
        "ten intervals, which is more than breaks a silent channel"
    );
    drop(right);
    assert!(matches!(
        left.next_event().await,
        LinkEvent::Silent { .. } | LinkEvent::SendFailed { .. }
    ));
}

#[tokio::test]
async fn silence_from_the_start_and_after_speech_is_reported_once_each() {
    let endpoint = Endpoint::bind(&quick()).unwrap();
    let peer = Stranger::new();
    let mut side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    let LinkEvent::Silent { for_ } = side.next_event().await else {
        panic!("nothing was heard");
    };
    assert!(
        for_ >= quick().broken_after && for_ < quick().broken_after + LIMIT,
        "{for_:?}"
    );
    peer.send_packet("!r:x", 0, endpoint.address());
    assert_eq!(side.next_event().await, LinkEvent::Heard);
    assert!(matches!(side.next_event().await, LinkEvent::Silent { .. }));
    assert!(side.link.stats().last_heard.is_some());
}

#[tokio::test]
async fn icmp_says_at_once_that_nobody_listens() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let neighbour = Stranger::new();
    let mut side = Side::open(endpoint.reserve("!r:x").unwrap(), NOBODY.parse().unwrap());
    let mut other = Side::open(endpoint.reserve("!s:x").unwrap(), neighbour.address());
    let started = Instant::now();
    assert_eq!(
        side.next_event().await,
        LinkEvent::SendFailed {
            kind: ErrorKind::ConnectionRefused
        }
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "long before any silence would show"
    );

    // The error of one peer fails no packet to another on the same port.
    for _ in 0..50 {
        side.link.send(VOICE, 0);
        other.link.send(VOICE, 0);
    }
    assert_eq!(other.link.stats().send_failures, 0);
    assert!(other.events.try_recv().is_err());
    for index in 0..=50 {
        assert_eq!(neighbour.receive("!s:x").0, index);
    }
}

#[tokio::test]
async fn a_failing_link_says_so_at_most_once_a_second() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let mut side = Side::open(endpoint.reserve("!r:x").unwrap(), NOBODY.parse().unwrap());
    assert!(matches!(side.next_event().await, LinkEvent::SendFailed { .. }));
    let started = Instant::now();
    let next = loop {
        side.link.send(VOICE, 0);
        tokio::task::yield_now().await;
        if let Ok(event) = side.events.try_recv() {
            break event;
        }
        assert!(started.elapsed() < LIMIT);
    };
    assert!(matches!(next, LinkEvent::SendFailed { .. }));
    assert!(
        started.elapsed() > Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn hostile_packets_are_dropped_and_counted_by_reason() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let (peer, stranger) = (Stranger::new(), Stranger::new());
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    let not_yet = endpoint.reserve("!soon:x").unwrap();
    let to = endpoint.address();

    peer.send(b"", to);
    peer.send(b"garbage", to);
    stranger.send(b"\xc1sealed", to);
    stranger.send(&[0x80; MAX_DATAGRAM + 1], to);
    stranger.send(&[0x80; 9_000], to);
    stranger.send_packet("!r:x", 0, to);
    stranger.send_packet("!unheard-of:x", 0, to);
    peer.send_packet("!s:x", 0, to);
    peer.send_packet("!soon:x", 0, to);
    stranger.send_packet("!soon:x", 0, to);
    peer.send_packet("!r:x", 7, to);
    peer.send_packet("!r:x", 7, to);
    peer.send_packet("!r:x", 1_000_000, to);
    peer.send_packet("!r:x", 8, to);

    let (first, second) = (side.next_voice().await, side.next_voice().await);
    assert_eq!(
        (first.0, second.0),
        (7, 8),
        "only what the peer says for its room is heard"
    );
    let drops = Drops {
        garbage: 3,
        oversized: 2,
        unknown_sender: 2,
        wrong_room: 1,
        not_open: 2,
        duplicate: 1,
        outside: 1,
        ..Drops::default()
    };
    assert_eq!(endpoint.drops(), drops);
    drop(not_yet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_does_not_keep_the_peer_from_being_heard() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    let to = endpoint.address();
    let flood = std::thread::spawn(move || {
        let stranger = Stranger::new();
        for index in 0..20_000 {
            stranger.send_packet("!r:x", index, to);
        }
    });
    // The flood may push single packets out of the socket's buffer, as any congestion does.
    let mut index = 0;
    until("a hundred packets of the peer, while strangers flood", || {
        peer.send_packet("!r:x", index, to);
        index += 1;
        side.link.stats().received >= 100
    })
    .await;
    flood.join().expect("the flood ends");
    assert!(side.heard.try_iter().all(|(sequence, _)| sequence < index));
    assert!(endpoint.drops().unknown_sender > 0);
}

#[tokio::test]
async fn loss_reordering_and_duplicates_are_counted_and_each_packet_is_heard_once() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    for index in [0, 1, 1, 4, 3, 3, 5] {
        peer.send_packet("!r:x", index, endpoint.address());
    }
    until("the last packet", || side.link.stats().received == 5).await;
    let heard: Vec<u64> = side.heard.try_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(heard, [0, 1, 4, 3, 5]);
    let stats = side.link.stats();
    assert_eq!((stats.lost, stats.late, stats.duplicates), (1, 1, 2));
}

#[tokio::test]
async fn a_peer_that_counts_anew_is_heard_again_and_its_sequence_goes_on_rising() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    for index in (0..50).chain(0..50) {
        peer.send_packet("!r:x", index, endpoint.address());
    }
    until("the last packet", || side.link.stats().received == 50 + 35).await;
    let heard: Vec<u64> = side.heard.try_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(heard, (0..85).collect::<Vec<_>>());
    assert_eq!(side.link.stats().restarts, 1);
}

#[tokio::test]
async fn s10_a_new_epoch_has_new_ports_and_packets_of_the_old_have_no_effect() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let (old_peer, new_peer) = (Stranger::new(), Stranger::new());
    let old_address = endpoint.address();
    let old = Side::open(endpoint.reserve("!r:x").unwrap(), old_peer.address());

    // The new epoch is made while the old one is still open, as a renegotiation does.
    let reservation = endpoint.reserve("!r:x").unwrap();
    let new_address = reservation.address();
    assert_ne!(new_address, old_address);
    let new = Side::open(reservation, new_peer.address());
    drop(old);
    old_peer.send_packet("!r:x", 100, old_address);
    old_peer.send_packet("!r:x", 100, new_address);
    new_peer.send_packet("!r:x", 100, old_address);
    new_peer.send_packet("!r:x", 0, new_address);
    until("the three of the old epoch", || endpoint.drops().unknown_sender == 3).await;
    assert_eq!(new.next_voice().await.0, 0);
    assert_eq!(new.link.stats().received, 1);
    assert_eq!(new.link.stats().lost, 0);

    // A third epoch, after both are gone, keeps off both ports.
    drop(new);
    let third = endpoint.reserve("!r:x").unwrap().address();
    assert!(third != old_address && third != new_address);
    assert_eq!(
        endpoint.reserve("!other:x").unwrap().address(),
        old_address,
        "another room is free to use it"
    );
}

#[tokio::test]
async fn further_ports_come_from_the_configured_range_and_run_out_with_an_error() {
    let free = |_| UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let low = (0..100).map(free).find(|port| *port < u16::MAX - 1).unwrap();
    let endpoint = Endpoint::bind(&Vdp {
        port_range: Some(low..=low + 1),
        ..calm()
    })
    .unwrap();
    let mut kept = vec![endpoint.reserve("!r:x").unwrap()];
    let error = loop {
        match endpoint.reserve("!r:x") {
            Ok(reservation) => kept.push(reservation),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReserveError::NoPort(_)), "{error}");
    assert!(kept.len() <= 3);
    assert!(
        kept.iter()
            .skip(1)
            .all(|reservation| (low..=low + 1).contains(&reservation.address().port()))
    );
}

#[tokio::test]
async fn addresses_and_rooms_that_cannot_work_are_refused() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    for address in ["127.0.0.1:0", "0.0.0.0:5", "[::1]:5"] {
        let reservation = endpoint.reserve("!r:x").unwrap();
        let (events, _) = mpsc::channel(1);
        let address: SocketAddr = address.parse().unwrap();
        let refused = reservation.connect(address, Box::new(|_: Received<'_>| {}), events);
        assert_eq!(refused.err(), Some(OpenError::Unreachable), "{address}");
    }
    for length in [0, 256] {
        let refused = endpoint.reserve(&"!".repeat(length));
        assert!(matches!(refused, Err(ReserveError::RoomId { length: found }) if found == length));
    }
    let taken = Endpoint::bind(&Vdp {
        listen: endpoint.address(),
        ..calm()
    });
    assert_eq!(taken.map(drop).unwrap_err().address, endpoint.address());
}

#[tokio::test]
async fn a_packet_that_breaks_a_limit_fails_alone() {
    let endpoint = Endpoint::bind(&calm()).unwrap();
    let peer = Stranger::new();
    let mut side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    side.link.send(&[0x08; 2_000], 0);
    side.link.send(VOICE, 0);
    assert_eq!(peer.receive("!r:x").0, 0);
    assert_eq!(
        peer.receive("!r:x").0,
        2,
        "its index is missing, so that the peer sees the loss"
    );
    assert_eq!(side.link.stats().send_failures, 1);
    assert!(side.events.try_recv().is_err());
}

#[tokio::test]
async fn an_endpoint_on_ipv6_speaks_to_ipv4_peers_too() {
    let Ok(endpoint) = Endpoint::bind(&Vdp {
        listen: "[::]:0".parse().unwrap(),
        ..calm()
    }) else {
        // The machine has no IPv6.
        return;
    };
    let peer = Stranger::new();
    let side = Side::open(endpoint.reserve("!r:x").unwrap(), peer.address());
    assert_eq!(peer.receive("!r:x").0, 0);
    peer.send_packet(
        "!r:x",
        0,
        SocketAddr::new([127, 0, 0, 1].into(), endpoint.address().port()),
    );
    assert_eq!(side.next_voice().await.0, 0);
}
