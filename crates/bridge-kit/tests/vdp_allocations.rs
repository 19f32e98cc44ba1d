//! The UDP end allocates nothing for a packet: neither one that it takes in and sends on, nor one that is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bridge_kit::config::Vdp;
use bridge_kit::vdp::{Endpoint, Link, Peer, Received, SealedPeer};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use vdp_proto::sealed::{Aead, Role, ShareSecret};

const VOICE: [u8; 160] = [0x48; 160];
const ROOMS: u64 = 40;
const LIMIT: Duration = Duration::from_secs(20);

/// Is attended by the thread of the test, since allocations are counted by thread.
fn endpoint() -> Endpoint {
    let calm = Vdp {
        keep_alive: Duration::from_mins(1),
        broken_after: Duration::from_mins(3),
        ..Vdp::loopback(0)
    };
    Endpoint::bind_unattended(&calm).expect("a port")
}

fn sealed(role: Role, channel: u64, address: SocketAddr) -> Peer {
    let secret = |byte| ShareSecret::from_random([byte; 32]);
    let (own, peer) = match role {
        Role::Asking => (1, 2),
        Role::Answering => (2, 1),
    };
    let keys = secret(own).agree(&secret(peer).share(), &[3; 32], b"").expect("keys");
    let (sealer, opener) = keys.into_ends(role, Aead::Aes256Gcm, channel);
    SealedPeer {
        address,
        channel,
        sealer,
        opener,
    }
    .into()
}

fn connect(endpoint: &Endpoint, room: &str, peer: Peer, hear: impl FnMut(Received<'_>) + Send + 'static) -> Link {
    let reservation = match &peer {
        Peer::Plain(_) => endpoint.reserve(room),
        Peer::Sealed(_) => endpoint.reserve_sealed(room),
    };
    let (events, _) = mpsc::channel(1);
    reservation
        .expect("there is room")
        .connect(peer, Box::new(hear), events)
        .expect("the peer can be sent to")
}

/// Somebody who speaks in many rooms, a relay, and somebody who counts what he hears.
struct Chain {
    speaker: Vec<Link>,
    heard: Arc<AtomicUsize>,
    endpoints: [Endpoint; 4],
    _kept: Vec<Link>,
}

impl Chain {
    /// `peer` makes the far end from a role, the number of a channel and an address.
    fn of(peer: fn(Role, u64, SocketAddr) -> Peer) -> Self {
        let [near, in_, out, far] = [(); 4].map(|()| endpoint());
        let heard = Arc::<AtomicUsize>::default();
        let (mut speaker, mut kept) = (Vec::new(), Vec::new());
        for number in 0..ROOMS {
            let room = format!("!{number}:x");
            let (first, second) = (1 + number, 101 + number);
            let counter = Arc::clone(&heard);
            kept.push(connect(
                &far,
                &room,
                peer(Role::Answering, second, out.address()),
                move |packet| {
                    counter.fetch_add(usize::from(!packet.voice.is_empty()), Ordering::Relaxed);
                },
            ));
            let onward = connect(&out, &room, peer(Role::Asking, second, far.address()), |_| {});
            kept.push(connect(
                &in_,
                &room,
                peer(Role::Answering, first, near.address()),
                move |packet| {
                    if !packet.voice.is_empty() {
                        onward.send(packet.voice, 0);
                    }
                },
            ));
            speaker.push(connect(&near, &room, peer(Role::Asking, first, in_.address()), |_| {}));
        }
        Self {
            speaker,
            heard,
            endpoints: [near, in_, out, far],
            _kept: kept,
        }
    }

    fn attend(&self) {
        self.endpoints.iter().for_each(Endpoint::attend);
    }

    /// Says something in each room, so many times, and waits until all of it was heard.
    async fn speak(&self, times: usize) {
        let deadline = Instant::now() + LIMIT;
        for _ in 0..times {
            let before = self.heard.load(Ordering::Relaxed);
            let mut said = 0;
            for link in &self.speaker {
                said += usize::from(link.send(&VOICE, 0).is_some());
            }
            while self.heard.load(Ordering::Relaxed) < before + said {
                assert!(Instant::now() < deadline, "waited in vain");
                self.attend();
                tokio::task::yield_now().await;
            }
        }
    }
}

fn allocations_of(runtime: &Runtime, chain: &Chain, times: usize) -> u64 {
    allocation_counter::measure(|| runtime.block_on(chain.speak(times))).count_total
}

#[test]
fn a_packet_is_taken_in_and_sent_on_without_allocation() {
    for peer in [|_, _, address| Peer::Plain(address), sealed] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let chain = {
            let _entered = runtime.enter();
            Chain::of(peer)
        };
        // The addresses prove themselves, and each thread makes its buffers.
        runtime.block_on(async {
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                chain.attend();
            }
            chain.speak(20).await;
        });
        assert!(chain.heard.load(Ordering::Relaxed) >= 20 * chain.speaker.len());
        // What is left is the runtime's, once for each time that this test begins to wait.
        let of_a_few = allocations_of(&runtime, &chain, 10);
        assert_eq!(allocations_of(&runtime, &chain, 100), of_a_few);
        runtime.block_on(async { drop(chain) });
    }
}

#[test]
fn a_packet_that_is_refused_costs_no_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let endpoint = {
        let _entered = runtime.enter();
        endpoint()
    };
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let forgeries: [&[u8]; 4] = [
        b"hello",
        &[0xc1; 60],
        b"\x83\xa1r\xa4!r:x\xa1d\xc4\x03\xf8\xff\xfe\xa1i\x07",
        &[0x80; 1_300],
    ];
    let dropped = || {
        let drops = endpoint.drops();
        drops.garbage + drops.unknown_channel + drops.unknown_sender + drops.oversized
    };
    let send = |times: u64| {
        runtime.block_on(async {
            let (deadline, before) = (Instant::now() + LIMIT, dropped());
            for time in 1..=times {
                for forgery in forgeries {
                    stranger.send_to(forgery, endpoint.address()).unwrap();
                }
                while dropped() < before + time * forgeries.len() as u64 {
                    assert!(Instant::now() < deadline, "waited in vain: {:?}", endpoint.drops());
                    endpoint.attend();
                    tokio::task::yield_now().await;
                }
            }
        });
    };
    send(10);
    let of_a_few = allocation_counter::measure(|| send(10)).count_total;
    assert_eq!(allocation_counter::measure(|| send(200)).count_total, of_a_few);
}
