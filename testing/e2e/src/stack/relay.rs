//! A path between two bridges that can be cut, and on which one of them moves.

use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// More than any datagram of VDP.
const LONGEST: usize = 2_000;

/// One of the two bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The one that was named first.
    First,
    /// The other one.
    Second,
}

/// An end of the path.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Where the bridge listens, and sends from.
    pub bridge: SocketAddr,
    /// Where it says that it is (`vdp.advertise`): there the relay stands for it, so that nothing negotiated is changed.
    pub advertised: SocketAddr,
}

/// Passes datagrams between two bridges, each of which finds the other where that one says it is. Nobody else is heard.
#[derive(Debug)]
pub struct Relay {
    first: Stand,
    second: Stand,
    /// From here the second bridge hears the first one.
    for_first: Arc<UdpSocket>,
    for_second: Arc<UdpSocket>,
    /// Where the first one was before: open still, so that what goes there is lost as behind a router, without an ICMP error.
    left: Vec<Arc<UdpSocket>>,
    link: Arc<Link>,
    /// Ends with the relay.
    pumps: JoinSet<()>,
}

/// What both ways share.
#[derive(Debug, Default)]
struct Link {
    cut: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    inspection: Inspection,
}

/// Who sees what passes: is told who sent a datagram, and says whether it goes on.
#[derive(Default)]
struct Inspection(Mutex<Option<Inspector>>);

type Inspector = Box<dyn FnMut(End, &[u8]) -> bool + Send>;

impl Inspection {
    fn lets_pass(&self, from: End, datagram: &[u8]) -> bool {
        self.lock().as_mut().is_none_or(|inspector| inspector(from, datagram))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inspector>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Inspection")
    }
}

impl Relay {
    /// A path between two bridges.
    pub async fn between(first: Stand, second: Stand) -> Result<Self> {
        let mut relay = Self {
            for_first: stand(first.advertised).await?,
            for_second: stand(second.advertised).await?,
            first,
            second,
            left: Vec::new(),
            link: Arc::default(),
            pumps: JoinSet::new(),
        };
        relay.pump();
        Ok(relay)
    }

    /// Lets nothing through any more.
    pub fn cut(&self) {
        self.link.cut.store(true, Ordering::SeqCst);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.link.cut.store(false, Ordering::SeqCst);
    }

    /// Lets somebody see each datagram with the end that sent it, and keep from passing what he gives `false` for.
    pub fn inspect(&self, inspector: impl FnMut(End, &[u8]) -> bool + Send + 'static) {
        *self.link.inspection.lock() = Some(Box::new(inspector));
    }

    /// Lets nobody see what passes any more.
    pub fn inspect_no_more(&self) {
        *self.link.inspection.lock() = None;
    }

    /// Sends the other end a datagram from where it hears this one.
    pub async fn send_as(&self, from: End, datagram: &[u8]) -> Result<()> {
        let (mouth, to) = match from {
            End::First => (&self.for_first, self.second.bridge),
            End::Second => (&self.for_second, self.first.bridge),
        };
        mouth.send_to(datagram, to).await?;
        Ok(())
    }

    /// From now on the first bridge is heard from another port, as behind a router that has forgotten it; what goes to
    /// the old one is lost. Returns the new address.
    pub async fn move_first(&mut self) -> Result<SocketAddr> {
        let elsewhere = stand(SocketAddr::new(self.first.advertised.ip(), 0)).await?;
        let address = elsewhere.local_addr()?;
        self.left.push(std::mem::replace(&mut self.for_first, elsewhere));
        self.pump();
        Ok(address)
    }

    /// How many datagrams went through, and how many were lost in cuts.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (count(&self.link.passed), count(&self.link.lost))
    }

    /// Starts both ways, in place of those that were there.
    fn pump(&mut self) {
        let Self {
            first,
            second,
            for_first,
            for_second,
            link,
            ..
        } = self;
        let mut pumps = JoinSet::new();
        let way = |from: (End, Stand), ear: &Arc<UdpSocket>, mouth: &Arc<UdpSocket>, to: Stand| {
            pass(
                (from.0, from.1.bridge),
                Arc::clone(ear),
                Arc::clone(mouth),
                to.bridge,
                Arc::clone(link),
            )
        };
        pumps.spawn(way((End::First, *first), for_second, for_first, *second));
        pumps.spawn(way((End::Second, *second), for_first, for_second, *first));
        self.pumps = pumps;
    }
}

/// What `from` sends to `ear` leaves from `mouth` for `to`.
async fn pass(
    (end, from): (End, SocketAddr),
    ear: Arc<UdpSocket>,
    mouth: Arc<UdpSocket>,
    to: SocketAddr,
    link: Arc<Link>,
) {
    let mut datagram = [0; LONGEST];
    loop {
        // An error tells of an earlier datagram that did not arrive: the bridge behind it is not there at the moment.
        let Ok((length, sender)) = ear.recv_from(&mut datagram).await else {
            continue;
        };
        if sender != from {
            continue;
        }
        if link.cut.load(Ordering::SeqCst) {
            link.lost.fetch_add(1, Ordering::SeqCst);
        } else if !link.inspection.lets_pass(end, &datagram[..length]) {
            // It is the inspector's now.
        } else if mouth.send_to(&datagram[..length], to).await.is_ok() {
            link.passed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn stand(address: SocketAddr) -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind(address)
        .await
        .with_context(|| format!("the relay cannot stand at {address}"))?;
    Ok(Arc::new(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    /// Two bridges at free ports of 127.0.0.1, and where the relay stands for them.
    async fn bridges() -> (UdpSocket, UdpSocket, Relay) {
        let first = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let second = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let at = |socket: &UdpSocket, host: [u8; 4]| {
            let bridge = socket.local_addr().expect("an address");
            let advertised = SocketAddr::from((host, bridge.port()));
            Stand { bridge, advertised }
        };
        let stands = (at(&first, [127, 0, 0, 3]), at(&second, [127, 0, 0, 2]));
        let relay = Relay::between(stands.0, stands.1).await.expect("a relay");
        (first, second, relay)
    }

    async fn heard(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut datagram = [0; 100];
        let received = timeout(Duration::from_secs(5), socket.recv_from(&mut datagram)).await;
        let (length, from) = received.expect("in time").expect("a datagram");
        (datagram[..length].to_vec(), from)
    }

    #[tokio::test]
    async fn each_finds_the_other_where_it_says_it_is() {
        let (first, second, relay) = bridges().await;
        first.send_to(b"there", relay.second.advertised).await.unwrap();
        assert_eq!(heard(&second).await, (b"there".to_vec(), relay.first.advertised));
        second.send_to(b"back", relay.first.advertised).await.unwrap();
        assert_eq!(heard(&first).await, (b"back".to_vec(), relay.second.advertised));
        assert_eq!(relay.counts(), (2, 0));
    }

    #[tokio::test]
    async fn what_is_sent_during_a_cut_is_lost_and_strangers_are_not_heard() {
        let (first, second, relay) = bridges().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        relay.cut();
        first.send_to(b"lost", relay.second.advertised).await.unwrap();
        stranger.send_to(b"forged", relay.second.advertised).await.unwrap();
        // One way is in order, so the cut ends after the datagram has met it.
        let lost = async {
            while relay.counts() != (0, 1) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), lost).await.unwrap();
        relay.mend();
        first.send_to(b"heard", relay.second.advertised).await.unwrap();
        assert_eq!(heard(&second).await.0, b"heard");
    }

    #[tokio::test]
    async fn an_inspector_sees_what_passes_and_keeps_what_he_likes() {
        let (first, second, relay) = bridges().await;
        let log = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&log);
        relay.inspect(move |from, datagram| {
            notes.lock().expect("nobody panics").push((from, datagram.to_vec()));
            datagram != b"kept"
        });
        first.send_to(b"kept", relay.second.advertised).await.unwrap();
        first.send_to(b"passed", relay.second.advertised).await.unwrap();
        assert_eq!(heard(&second).await.0, b"passed");
        relay.inspect_no_more();
        second.send_to(b"unseen", relay.first.advertised).await.unwrap();
        assert_eq!(heard(&first).await.0, b"unseen");
        let seen = log.lock().unwrap().clone();
        assert_eq!(seen, [(End::First, b"kept".to_vec()), (End::First, b"passed".to_vec())]);
    }

    #[tokio::test]
    async fn a_datagram_can_be_sent_as_if_an_end_had() {
        let (first, second, relay) = bridges().await;
        relay.send_as(End::First, b"again").await.unwrap();
        assert_eq!(heard(&second).await, (b"again".to_vec(), relay.first.advertised));
        relay.send_as(End::Second, b"and again").await.unwrap();
        assert_eq!(heard(&first).await, (b"and again".to_vec(), relay.second.advertised));
    }

    #[tokio::test]
    async fn one_who_moves_is_heard_from_elsewhere_and_found_there() {
        let (first, second, mut relay) = bridges().await;
        let elsewhere = relay.move_first().await.unwrap();
        assert_ne!(elsewhere, relay.first.advertised);
        second
            .send_to(b"to the old address", relay.first.advertised)
            .await
            .unwrap();
        first.send_to(b"here", relay.second.advertised).await.unwrap();
        assert_eq!(heard(&second).await, (b"here".to_vec(), elsewhere));
        second.send_to(b"found", elsewhere).await.unwrap();
        assert_eq!(heard(&first).await.0, b"found");
    }
}
