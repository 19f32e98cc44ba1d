//! Stand-ins for the world outside: a homeserver that remembers, and channels that a test holds the other end of.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_kit::channel::{AskError, Audience, SessionEvent};
use bridge_kit::matrix::{OwnedRoomId, RoomId};
use bridge_kit::media::{MediaPool, OutPacket, PacketSink, RoomMedia};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::call::{Calls, People};
use crate::notice::Notice;
use crate::ports::{Admission, Channel, Channels, Homeserver, SendFailed};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn room() -> OwnedRoomId {
    "!room:hs".try_into().expect("room id")
}

/// Waits until `done` holds, looking again whenever a little time has passed.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "{what} did not come about"
    );
}

/// User, device, type and content.
pub(crate) type Told = (String, String, &'static str, Value);

/// A homeserver that remembers what it was given.
#[derive(Default)]
pub(crate) struct FakeHomeserver {
    sent: Mutex<VecDeque<(&'static str, Value)>>,
    notices: Mutex<Vec<Notice>>,
    told: Mutex<VecDeque<Told>>,
    admission: Mutex<Option<Admission>>,
    pub(crate) refuses: Mutex<bool>,
}

impl FakeHomeserver {
    /// What every room is, from now on; bridged at first. `None`: looking panics.
    pub(crate) fn admitting(admission: Option<Admission>) -> Arc<Self> {
        let homeserver = Self::default();
        *lock(&homeserver.admission) = admission;
        Arc::new(homeserver)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        lock(&self.notices).clone()
    }

    /// What a device was told next, and which.
    pub(crate) async fn told(&self) -> Told {
        let mut told = None;
        until("a device to be told", || {
            told = lock(&self.told).pop_front();
            told.is_some()
        })
        .await;
        told.expect("an event")
    }

    /// The oldest event that was sent and not taken yet.
    pub(crate) fn take(&self) -> Option<(&'static str, Value)> {
        lock(&self.sent).pop_front()
    }

    pub(crate) async fn sent(&self, kind: &str) -> Value {
        let mut event = None;
        until(kind, || {
            event = self.take();
            event.is_some()
        })
        .await;
        let (sent, content) = event.expect("event");
        assert_eq!(sent, kind);
        content
    }
}

impl Homeserver for FakeHomeserver {
    fn send(&self, _: &RoomId, kind: &'static str, content: Value) -> BoxFuture<'static, Result<(), SendFailed>> {
        let refuses = *lock(&self.refuses);
        if !refuses {
            lock(&self.sent).push_back((kind, content));
        }
        Box::pin(async move { if refuses { Err(SendFailed) } else { Ok(()) } })
    }

    fn send_to_device(
        &self,
        user: &str,
        device: &str,
        kind: &'static str,
        content: Value,
    ) -> BoxFuture<'static, Result<(), SendFailed>> {
        let refuses = *lock(&self.refuses);
        let told = (user.to_owned(), device.to_owned(), kind, content);
        lock(&self.told).push_back(told);
        Box::pin(async move { if refuses { Err(SendFailed) } else { Ok(()) } })
    }

    fn notify(&self, _: &RoomId, notice: Notice) -> BoxFuture<'static, ()> {
        lock(&self.notices).push(notice);
        Box::pin(async {})
    }

    fn admit(&self, _: &RoomId) -> BoxFuture<'static, Admission> {
        let admission = lock(&self.admission).expect("the test wants a panic");
        Box::pin(async move { admission })
    }
}

/// Channels whose other end is the test.
pub(crate) struct FakeChannels {
    asked: mpsc::Sender<Asked>,
    pub(crate) busy: Mutex<u32>,
}

/// The test's end of a channel.
pub(crate) struct Asked {
    pub(crate) media: RoomMedia,
    events: mpsc::Sender<SessionEvent>,
    /// What was said of those who listen.
    pub(crate) audience: watch::Receiver<Audience>,
}

struct FakeChannel {
    events: mpsc::Receiver<SessionEvent>,
    audience: watch::Sender<Audience>,
}

impl FakeChannels {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Asked>) {
        let (asked, receiver) = mpsc::channel(8);
        let channels = Self {
            asked,
            busy: Mutex::new(0),
        };
        (Arc::new(channels), receiver)
    }
}

impl Asked {
    pub(crate) async fn say(&self, event: SessionEvent) {
        self.events.send(event).await.expect("the channel is held");
    }

    pub(crate) async fn open(&self) {
        let peer = "127.0.0.1:9".parse().expect("address");
        self.say(SessionEvent::Open { epoch: 1, peer }).await;
    }

    /// Waits until the channel is dropped, which closes it.
    pub(crate) async fn closed(&self) {
        let closed = tokio::time::timeout(PATIENCE, self.events.closed()).await;
        closed.expect("the channel is closed");
    }
}

impl Channels for FakeChannels {
    fn ask(&self, _: &RoomId, media: RoomMedia) -> Result<Box<dyn Channel>, AskError> {
        let mut busy = lock(&self.busy);
        if *busy > 0 {
            *busy -= 1;
            return Err(AskError::Busy);
        }
        let (events, receiver) = mpsc::channel(8);
        let (told, audience) = watch::channel(Audience::UNKNOWN);
        let asked = self.asked.try_send(Asked {
            media,
            events,
            audience,
        });
        asked.expect("the test takes what is asked");
        Ok(Box::new(FakeChannel {
            events: receiver,
            audience: told,
        }))
    }
}

impl Channel for FakeChannel {
    fn next(&mut self) -> BoxFuture<'_, Option<SessionEvent>> {
        Box::pin(self.events.recv())
    }

    fn set_audience(&self, audience: Audience) {
        self.audience.send_replace(audience);
    }
}

/// Calls over fake channels, with real media.
pub(crate) struct World {
    pub(crate) homeserver: Arc<FakeHomeserver>,
    pub(crate) channels: Arc<FakeChannels>,
    pub(crate) asked: mpsc::Receiver<Asked>,
    pub(crate) calls: Calls,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(FakeHomeserver::admitting(Some(Admission::Bridged)))
    }

    pub(crate) fn with(homeserver: Arc<FakeHomeserver>) -> Self {
        Self::of(homeserver, People::default())
    }

    /// A world with people who are also elsewhere.
    pub(crate) fn of(homeserver: Arc<FakeHomeserver>, people: People) -> Self {
        let (channels, asked) = FakeChannels::new();
        let one = std::num::NonZeroUsize::MIN;
        let pool = MediaPool::new(one).expect("media threads");
        let calls = Calls::new(channels.clone(), homeserver.clone(), pool, people);
        Self {
            homeserver,
            channels,
            asked,
            calls,
        }
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        asked.expect("in time").expect("somebody asks")
    }

    pub(crate) fn nobody_asks(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

/// A sink that keeps what it gets.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

impl Recorder {
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        lock(&self.0).clone()
    }
}

impl PacketSink for Recorder {
    fn send(&mut self, packet: &OutPacket<'_>) {
        lock(&self.0).push(packet.opus.to_vec());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
