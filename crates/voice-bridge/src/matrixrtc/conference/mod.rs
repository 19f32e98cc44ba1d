//! The media of one room's call over SFUs, joined to the call of the room.
//!
//! A session says by its [`Picture`] which SFUs to be at and whom to listen to there. A conference is at those SFUs, gives
//! each voice of a member a place in the room's call, and takes a place for the SFUs, whose people hear what everybody
//! else says. The latter place asks for the channel to the other bridge. While there is none to be had the conference
//! keeps the membership out of the call, and asks again from time to time.

mod link;
mod patience;
mod speakers;
mod tokens;
mod voices;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bridge_kit::matrix::OwnedRoomId;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

pub use self::link::Role;
use self::link::{Link, LinkEvent, Reporter};
use self::patience::Patience;
use self::speakers::{Speaker, Speakers, TrackPlace};
pub use self::tokens::Tokens;
use self::voices::Voices;
use super::focus::Focus;
use super::hub::Started;
use super::machine::Connections;
use super::session::{Control, Picture};
use super::transport::Caller;
use crate::call::{Calls, ChannelState, Participation};
use crate::livekit::Event;
use crate::ports::{Admission, Homeserver};
use crate::webrtc::WebRtc;

/// How members are called on status pages, and the SFUs.
const MEMBER: &str = "matrixrtc";
const SFU: &str = "sfu";
/// What may have happened at the SFUs and not been looked at.
const EVENTS: usize = 256;

/// What every conference needs of the bridge.
#[derive(Clone)]
pub struct Means {
    /// The calls of rooms.
    pub calls: Calls,
    /// Where rooms are looked at.
    pub homeserver: Arc<dyn Homeserver>,
    /// Where tokens for SFUs are had.
    pub tokens: Arc<dyn Tokens>,
    /// Where media comes in.
    pub webrtc: WebRtc,
    /// How long after a refusal a channel is asked for again, the first time.
    pub retry_after: Duration,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").finish_non_exhaustive()
    }
}

/// Runs the media of a call for as long as its membership is kept.
pub(super) async fn run(means: Means, started: Started) {
    Conference::new(means, started).run().await;
}

struct Conference {
    means: Means,
    room: OwnedRoomId,
    caller: Caller,
    picture: watch::Receiver<Picture>,
    control: Control,
    /// The SFUs' place in the call of the room; with it there is a channel, or one is asked for.
    place: Option<Arc<Participation>>,
    channel: Option<watch::Receiver<ChannelState>>,
    patience: Patience,
    /// Whether the room is still one whose calls are taken.
    admission: Option<BoxFuture<'static, Admission>>,
    links: BTreeMap<Focus, (u64, Link)>,
    /// Counts links.
    last: u64,
    events: mpsc::Receiver<(u64, LinkEvent)>,
    reporter: mpsc::Sender<(u64, LinkEvent)>,
    speakers: Speakers,
    heard: BTreeMap<TrackPlace, Participation>,
}

/// What a conference waits for.
enum Wakeup {
    Picture,
    Channel(ChannelState),
    Admission(Admission),
    Link(u64, LinkEvent),
    Deadline,
    End,
}

impl Conference {
    fn new(means: Means, started: Started) -> Self {
        let (reporter, events) = mpsc::channel(EVENTS);
        Self {
            patience: Patience::new(means.retry_after),
            means,
            room: started.room,
            caller: started.caller,
            picture: started.picture,
            control: started.control,
            place: None,
            channel: None,
            admission: None,
            links: BTreeMap::new(),
            last: 0,
            events,
            reporter,
            speakers: Speakers::default(),
            heard: BTreeMap::new(),
        }
    }

    async fn run(mut self) {
        self.picture.mark_changed();
        loop {
            match self.wake().await {
                Wakeup::Picture => self.on_picture(),
                Wakeup::Channel(state) => self.on_channel(state),
                Wakeup::Admission(admission) => self.on_admission(admission),
                Wakeup::Link(link, event) => self.on_link(link, event),
                Wakeup::Deadline => self.ask_again(),
                Wakeup::End => break,
            }
        }
        self.heard.clear();
        self.place = None;
        self.connect(None);
    }

    async fn wake(&mut self) -> Wakeup {
        let deadline = self.patience.until();
        tokio::select! {
            changed = self.picture.changed() => changed.map_or(Wakeup::End, |()| Wakeup::Picture),
            state = channel_changed(self.channel.as_mut()) => Wakeup::Channel(state),
            admission = answer(&mut self.admission) => Wakeup::Admission(admission),
            Some((link, event)) = self.events.recv() => Wakeup::Link(link, event),
            () = sleep_until(deadline) => Wakeup::Deadline,
        }
    }

    fn on_picture(&mut self) {
        let picture = self.picture.borrow_and_update().clone();
        if picture.callers == 0 && picture.connections.is_none() {
            // The next call is a new one.
            self.place = None;
            self.channel = None;
            self.admission = None;
            if self.patience.end() {
                self.control.bridged(true);
            }
        }
        if picture.connections.is_some() && self.place.is_none() && !self.patience.is_waiting() {
            self.take_place();
        }
        if self.place.is_none() || picture.connections.is_none() {
            self.connect(None);
        } else {
            self.connect(picture.connections);
        }
        self.speakers.set_participants(picture.participants);
        self.seat();
    }

    /// Takes the SFUs' place in the room's call, which asks for the channel.
    fn take_place(&mut self) {
        let (calls, user) = (&self.means.calls, self.caller.user.as_str());
        let joined = if self.patience.has_asked() {
            calls.join_again(&self.room, user, SFU)
        } else {
            calls.join(&self.room, user, SFU)
        };
        match joined {
            Ok(place) => {
                let mut channel = place.watch_channel();
                // What it is already counts, too.
                channel.mark_changed();
                self.channel = Some(channel);
                self.place = Some(Arc::new(place));
            }
            Err(error) => {
                tracing::warn!(%error, "a call over an SFU has no place");
                self.stay_out();
            }
        }
    }

    fn on_channel(&mut self, state: ChannelState) {
        match state {
            ChannelState::Open { .. } => {
                if self.patience.end() {
                    self.control.bridged(true);
                }
            }
            ChannelState::Asking | ChannelState::Broken => {}
            ChannelState::Ended(_) => self.stay_out(),
        }
    }

    /// Without a channel the bridge is of no use in the call.
    fn stay_out(&mut self) {
        self.place = None;
        self.channel = None;
        self.heard.clear();
        self.control.bridged(false);
        self.patience.wait(Instant::now());
    }

    /// Looks first whether the room is still bridged, so that nobody is asked in vain.
    fn ask_again(&mut self) {
        self.patience.ask();
        self.admission = Some(self.means.homeserver.admit(&self.room));
    }

    fn on_admission(&mut self, admission: Admission) {
        self.admission = None;
        if admission == Admission::Bridged && self.place.is_none() {
            self.take_place();
        } else {
            self.patience.wait(Instant::now());
        }
    }

    /// Is at these SFUs and no others.
    fn connect(&mut self, connections: Option<Connections>) {
        let wanted = connections.map(roles).unwrap_or_default();
        let is_wanted = |focus: &Focus, (_, link): &mut (u64, Link)| wanted.get(focus) == Some(&link.role());
        let gone: Vec<_> = self
            .links
            .extract_if(.., |focus, link| !is_wanted(focus, link))
            .collect();
        for (focus, (_, link)) in gone {
            self.speakers.forget(&focus);
            link.end();
        }
        let Some(place) = self.place.clone() else { return };
        for (focus, role) in wanted {
            if !self.links.contains_key(&focus) {
                self.go_to(focus, role, &place);
            }
        }
    }

    fn go_to(&mut self, focus: Focus, role: Role, place: &Arc<Participation>) {
        self.last += 1;
        let reporter = Reporter {
            link: self.last,
            events: self.reporter.clone(),
        };
        let mouth = (role == Role::Publishes).then_some(place);
        let link = Link::start(&self.means, self.caller.clone(), focus.clone(), mouth, reporter);
        self.links.insert(focus, (self.last, link));
    }

    fn on_link(&mut self, id: u64, event: LinkEvent) {
        let Some((focus, (_, link))) = self.links.iter().find(|(_, (link, _))| *link == id) else {
            // It was left meanwhile.
            return;
        };
        let (focus, role) = (focus.clone(), link.role());
        match event {
            LinkEvent::Refused if role == Role::Publishes => self.control.focus_lost(),
            LinkEvent::Refused => {}
            LinkEvent::Lost => {
                self.speakers.forget(&focus);
                self.seat();
            }
            LinkEvent::Told(event) => self.on_told(&focus, event),
        }
    }

    fn on_told(&mut self, focus: &Focus, event: Event) {
        match event {
            // Its connections are new, and count packets from another start.
            Event::Entered { .. } => self.unseat(focus),
            Event::TrackStarted(track) => self.speakers.start(focus, track),
            Event::TrackEnded(track) => self.speakers.end(focus, track),
            Event::TrackMuted { track, muted } => self.speakers.mute(focus, track, muted),
            _ => return,
        }
        self.seat();
    }

    fn unseat(&mut self, focus: &Focus) {
        self.heard.retain(|place, _| place.focus != *focus);
        if let Some(voices) = self.voices(focus) {
            voices.clear();
        }
    }

    /// Gives everybody a place who is to be heard, and nobody else.
    fn seat(&mut self) {
        let speakers = if self.place.is_some() {
            self.speakers.all()
        } else {
            BTreeMap::new()
        };
        let gone: Vec<_> = self
            .heard
            .extract_if(.., |place, _| !speakers.contains_key(place))
            .collect();
        for (place, _) in gone {
            if let Some(voices) = self.voices(&place.focus) {
                voices.remove(&place.track);
            }
        }
        for (place, speaker) in speakers {
            self.seat_one(place, &speaker);
        }
    }

    fn seat_one(&mut self, place: TrackPlace, speaker: &Speaker) {
        if let Some(known) = self.heard.get(&place) {
            known.set_muted(speaker.muted);
            return;
        }
        let (Some(voices), Some(beside)) = (self.voices(&place.focus), self.place.as_ref()) else {
            return;
        };
        match self.means.calls.join_beside(beside, speaker.user.as_str(), MEMBER) {
            Ok(member) => {
                member.set_muted(speaker.muted);
                voices.insert(&place.track, member.attach_at_sfu());
                member.set_phase("heard");
                self.heard.insert(place, member);
            }
            Err(error) => tracing::warn!(%error, "a member of a call over an SFU is not heard"),
        }
    }

    fn voices(&self, focus: &Focus) -> Option<Voices> {
        let (_, link) = self.links.get(focus)?;
        Some(link.voices())
    }
}

/// What the bridge does at each SFU.
fn roles(connections: Connections) -> BTreeMap<Focus, Role> {
    let others = connections.others.into_iter().map(|focus| (focus, Role::Listens));
    others.chain([(connections.own, Role::Publishes)]).collect()
}

async fn channel_changed(channel: Option<&mut watch::Receiver<ChannelState>>) -> ChannelState {
    match channel {
        Some(channel) => match channel.changed().await {
            Ok(()) => *channel.borrow_and_update(),
            // The call's task is gone, which happens only if it panicked.
            Err(_) => ChannelState::Ended(crate::call::Ended::Failed),
        },
        None => std::future::pending().await,
    }
}

/// The answer to a question; pending for ever while none is asked.
async fn answer(question: &mut Option<BoxFuture<'static, Admission>>) -> Admission {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
