//! What a VDP endpoint leaves behind: nothing. Alone in its program, since it counts the tasks of the whole program.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bridge_kit::config::Vdp;
use bridge_kit::supervise;
use bridge_kit::vdp::{Endpoint, Link, Received, Reservation};
use tokio::sync::mpsc;

fn open(reservation: Reservation) -> Link {
    let (events, _) = mpsc::channel(1);
    let peer: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    reservation
        .connect(peer, Box::new(|_: Received<'_>| {}), events)
        .expect("the peer can be sent to")
}

/// Looks again and again until `ready` says so; the deadline is for failures only.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Threads that listen, as far as the system tells.
fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = all.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim() == "vdp-receive").count()
}

#[tokio::test]
async fn dropping_everything_leaves_no_task_no_port_and_no_thread() {
    let endpoint = Endpoint::bind(&Vdp::loopback(0)).unwrap();
    if cfg!(target_os = "linux") {
        // A thread takes its name itself, as the first that it does.
        until("the thread that listens", || threads() == 1).await;
    }
    let first = open(endpoint.reserve("!r:x").unwrap());
    let reservation = endpoint.reserve("!r:x").unwrap();
    let further = reservation.address();
    let second = open(reservation);
    assert_eq!(supervise::live().get("vdp.link"), Some(&2));
    assert_eq!(supervise::live().get("vdp.receive"), Some(&2));
    drop((first, second));
    until("the end of the links and of the further port", || {
        let live = supervise::live();
        live.get("vdp.link") == Some(&0) && live.get("vdp.receive") == Some(&1)
    })
    .await;
    until("the further port is free", || UdpSocket::bind(further).is_ok()).await;
    let address = endpoint.address();
    drop(endpoint);
    until("the shared port is free", || UdpSocket::bind(address).is_ok()).await;
    until("the end of the last port's task", || {
        supervise::live().get("vdp.receive") == Some(&0)
    })
    .await;
    until("the end of the thread", || threads() == 0).await;
}
