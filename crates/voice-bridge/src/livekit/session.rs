//! The handle of a session.

use std::fmt;
use std::time::Duration;

use bridge_kit::supervise::{self, Task};
use tokio::sync::mpsc;

use super::machine::{Event, Voice};
use super::message::{Access, Attribute};
use super::task::{self, Command};
use super::voice::Audience;
use crate::webrtc::{Spoken, WebRtc};

/// Commands that wait for the session.
const COMMANDS: usize = 32;
/// Events that wait for the owner. An owner who lets more wait has lost track of the room, so the session ends.
const EVENTS: usize = 512;

/// One participant in one LiveKit room, which joins and comes back by itself. Dropping it leaves without a word.
pub struct Session {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
    task: Task<()>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Starts to join; without a `voice`, only to listen. Packets of `spoken` are sent as they are; those that come while there is no way for them are
    /// dropped. Everybody else's go to `audience`. Of `webrtc` only the addresses count, not the port.
    pub fn start(
        webrtc: WebRtc,
        access: Access,
        voice: Option<Voice>,
        spoken: impl Into<Spoken>,
        audience: Box<dyn Audience>,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (teller, events) = mpsc::channel(EVENTS);
        let task = task::SessionTask::new(webrtc, access, voice, audience, teller);
        let task = supervise::spawn("livekit.session", "", task.run(inbox, spoken.into()));
        Self { commands, events, task }
    }

    /// The next thing that happens; `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Shows everybody whether our track is muted. What is sent all the same, nobody gets.
    pub async fn mute(&self, muted: bool) {
        self.command(Command::Mute(muted)).await;
    }

    /// Shows everybody this about us. A server may not let us, which is counted.
    pub async fn describe(&self, attribute: Attribute) {
        self.command(Command::Describe(attribute)).await;
    }

    /// Has both connections look for new paths (ICE restart), within the same session.
    pub async fn restart(&self) {
        self.command(Command::Restart).await;
    }

    /// Gives another token, as after [`Event::AccessRefused`].
    pub async fn renew(&self, access: Access) {
        self.command(Command::Renew(access)).await;
    }

    /// Says goodbye, and waits for the end for no longer than `patience`.
    pub async fn leave(self, patience: Duration) {
        self.command(Command::Leave).await;
        // Without a goodbye the server notices by itself.
        let _ = tokio::time::timeout(patience, self.task.join()).await;
    }

    async fn command(&self, command: Command) {
        // A session that is over needs no commands.
        let _ = self.commands.send(command).await;
    }
}
