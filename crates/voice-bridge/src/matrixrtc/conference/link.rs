//! The bridge at one SFU: its token, and its LiveKit session, for as long as the call needs both.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bridge_kit::matrix::Backoff;
use bridge_kit::supervise::{self, Task};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Means, Tokens, Voices};
use crate::call::Participation;
use crate::livekit::{Access, Attribute, Event, Session, Voice};
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::transport::{Caller, Grant, TransportError};
use crate::speaking::{self, Speaker, Speaking};
use crate::webrtc::{OutOfRoom, Spoken, WebRtc};

/// Waits between two tries to get in.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// The name of our track. Clients show the name of the member.
const TRACK: &str = "bridge";

/// What the bridge does at an SFU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It speaks, and listens.
    Publishes,
    /// It only listens to those who publish there.
    Listens,
}

/// What a link reports.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// Its authorisation service does not let the bridge in, and will not by itself.
    Refused,
    /// Its session has ended, and with it everybody's voice; another one follows.
    Lost,
    /// What its session tells.
    Told(Event),
}

/// Where a link reports, and as which.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) link: u64,
    pub(super) events: mpsc::Sender<(u64, LinkEvent)>,
}

/// The bridge at one SFU. Dropping it leaves without a goodbye.
#[derive(Debug)]
pub(super) struct Link {
    role: Role,
    voices: Voices,
    leaving: CancellationToken,
    task: Task<()>,
}

impl Link {
    /// Goes there. With a `mouth`, which is the place in the room's call that speaks there, it publishes.
    pub(super) fn start(
        means: &Means,
        caller: Caller,
        focus: Focus,
        mouth: Option<&Arc<Participation>>,
        reporter: Reporter,
    ) -> Self {
        let (voices, leaving) = (Voices::default(), CancellationToken::new());
        let role = if mouth.is_some() {
            Role::Publishes
        } else {
            Role::Listens
        };
        let keeper = Keeper {
            tokens: means.tokens.clone(),
            webrtc: means.webrtc.clone(),
            caller,
            focus,
            role,
            mouth: mouth.map(Arc::downgrade),
            voices: voices.clone(),
            reporter,
            leaving: leaving.clone(),
        };
        let room = keeper.caller.room.clone();
        Self {
            role,
            voices,
            leaving,
            task: supervise::spawn("matrixrtc.link", room, keeper.run()),
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Who is heard there.
    pub(super) fn voices(&self) -> Voices {
        self.voices.clone()
    }

    /// Says goodbye, which takes a moment and is not waited for.
    pub(super) fn end(self) {
        self.voices.clear();
        self.leaving.cancel();
        self.task.detach();
    }
}

struct Keeper {
    tokens: Arc<dyn Tokens>,
    webrtc: WebRtc,
    caller: Caller,
    focus: Focus,
    role: Role,
    mouth: Option<Weak<Participation>>,
    voices: Voices,
    reporter: Reporter,
    leaving: CancellationToken,
}

impl Keeper {
    async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut rng = StdRng::from_rng(&mut rand::rng());
        while !self.leaving.is_cancelled() {
            match self.token().await {
                Some(Ok(grant)) => self.attend(grant, &mut backoff).await,
                Some(Err(error)) => self.on_refusal(&error).await,
                None => return,
            }
            let leaving = self.leaving.cancelled();
            // An error says that the wait is over.
            let _ = tokio::time::timeout(backoff.wait(&mut rng), leaving).await;
        }
    }

    /// A token, or nothing where the SFU is to be left meanwhile.
    async fn token(&self) -> Option<Result<Grant, TransportError>> {
        let token = self.tokens.token(&self.caller, &self.focus, self.role);
        tokio::select! {
            grant = token => Some(grant),
            () = self.leaving.cancelled() => None,
        }
    }

    async fn on_refusal(&self, error: &TransportError) {
        tracing::warn!(%error, "an SFU of a call does not let the bridge in");
        if !error.is_transient() {
            self.report(LinkEvent::Refused).await;
        }
    }

    /// Is there until the session ends or the SFU is to be left.
    async fn attend(&self, grant: Grant, backoff: &mut Backoff) {
        let (spoken, mut speaking) = self.spoken();
        let mut session = self.session(grant, spoken);
        let mut renewed = false;
        loop {
            let event = tokio::select! {
                event = session.next() => event,
                speakers = next_speakers(speaking.as_mut()) => {
                    session.describe(attribute(&speakers)).await;
                    continue;
                }
                () = self.leaving.cancelled() => return session.leave(GOODBYE).await,
            };
            match event {
                // A server that refuses new tokens, too, is asked less and less often.
                Some(Event::AccessRefused) => {
                    if std::mem::replace(&mut renewed, true) || !self.renew(&session).await {
                        break;
                    }
                }
                Some(event) => {
                    if event == Event::Connected {
                        backoff.reset();
                        renewed = false;
                    }
                    self.report(LinkEvent::Told(event)).await;
                }
                None => break,
            }
        }
        self.tokens.forget(&self.caller, &self.focus);
        self.voices.clear();
        self.report(LinkEvent::Lost).await;
    }

    fn session(&self, grant: Grant, spoken: Spoken) -> Session {
        let voice = self.mouth.as_ref().map(|_| Voice {
            name: TRACK.to_owned(),
            stereo: true,
        });
        Session::start(
            self.webrtc.clone(),
            access(grant),
            voice,
            spoken,
            Box::new(self.voices.clone()),
        )
    }

    /// What everybody says who is not at an SFU, and who of the other side speaks in it.
    fn spoken(&self) -> (Spoken, Option<Speaking>) {
        let (sink, spoken, marks) = OutOfRoom::new();
        let mouth = self.mouth.as_ref().and_then(Weak::upgrade);
        let speaking = mouth.map(|mouth| {
            mouth.attach_sfu(Box::new(sink));
            Speaking::new(marks, mouth.speakers())
        });
        (spoken, speaking)
    }

    /// Gives the session another token; `false` where there is none to be had.
    async fn renew(&self, session: &Session) -> bool {
        self.tokens.forget(&self.caller, &self.focus);
        match self.token().await {
            Some(Ok(grant)) => {
                session.renew(access(grant)).await;
                true
            }
            Some(Err(error)) => {
                self.on_refusal(&error).await;
                false
            }
            None => false,
        }
    }

    async fn report(&self, event: LinkEvent) {
        let Reporter { link, events } = &self.reporter;
        // A conference that is over needs no reports.
        let _ = events.send((*link, event)).await;
    }
}

/// Who speaks; pending for ever where nothing is said.
async fn next_speakers(speaking: Option<&mut Speaking>) -> Vec<Speaker> {
    match speaking {
        Some(speaking) => speaking.next().await,
        None => std::future::pending().await,
    }
}

fn attribute(speakers: &[Speaker]) -> Attribute {
    Attribute {
        name: speaking::event::NAME,
        value: speaking::event::attribute(speakers),
    }
}

fn access(grant: Grant) -> Access {
    Access {
        url: grant.url.into(),
        token: grant.jwt.expose().to_owned(),
        reach: grant.reach,
        attributes: grant.attributes,
    }
}
