//! What both bridges carry and decode in a stretch of time.

use crate::stack::{Bridge, Stack};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long is looked.
const WINDOW: Duration = Duration::from_secs(5);

/// What happened in a stretch of time. *Here* is the voice bridge, *there* the Discord bridge.
#[derive(Default)]
pub(super) struct Window {
    /// Frames that Discord got from the bridge.
    pub(super) sent: f64,
    /// Voice packets of muted callers that went no further.
    pub(super) muted: f64,
    pub(super) received_here: f64,
    pub(super) decoded_here: f64,
    pub(super) mixed_here: f64,
    pub(super) forwarded_here: f64,
    pub(super) received_there: f64,
    pub(super) forwarded_there: f64,
    pub(super) decoded_there: f64,
}

impl Window {
    /// What happens from now on.
    pub(super) async fn of(stack: &Stack) -> Result<Self> {
        let before = Self::counted(stack).await?;
        sleep(WINDOW).await;
        let after = Self::counted(stack).await?;
        Ok(Self {
            sent: after.sent - before.sent,
            muted: after.muted - before.muted,
            received_here: after.received_here - before.received_here,
            decoded_here: after.decoded_here - before.decoded_here,
            mixed_here: after.mixed_here - before.mixed_here,
            forwarded_here: after.forwarded_here - before.forwarded_here,
            received_there: after.received_there - before.received_there,
            forwarded_there: after.forwarded_there - before.forwarded_there,
            decoded_there: after.decoded_there - before.decoded_there,
        })
    }

    /// Rooms add what they count to the metrics once a second, when something happens in them.
    async fn counted(stack: &Stack) -> Result<Self> {
        let standin = stack.standin()?;
        let state = standin.control.state().await?;
        let sent = state
            .voice_of(&standin.info.bot_user_id)
            .map_or(0, |bot| bot.frames_sent);
        let frames = async |bridge: &Bridge, kind: &str| -> Result<f64> {
            let label = format!("kind=\"{kind}\"");
            Ok(bridge.metrics().await?.sum("voice_media_frames_total", &[&label]))
        };
        let (here, there) = (&stack.voice_bridge, &stack.discord_bridge);
        Ok(Self {
            sent: f64::from(u32::try_from(sent)?),
            muted: here.metrics().await?.sum("voice_media_muted_total", &[]),
            received_here: frames(here, "received").await?,
            decoded_here: frames(here, "decoded").await?,
            mixed_here: frames(here, "mixed").await?,
            forwarded_here: frames(here, "forwarded").await?,
            received_there: frames(there, "received").await?,
            forwarded_there: frames(there, "forwarded").await?,
            decoded_there: frames(there, "decoded").await?,
        })
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "in {} s: {:.0} frames to Discord, {:.0} packets of muted callers; voice-bridge: {:.0} received, {:.0} forwarded, \
             {:.0} decoded, {:.0} mixed; discord-bridge: {:.0} received, {:.0} forwarded, {:.0} decoded",
            WINDOW.as_secs(),
            self.sent,
            self.muted,
            self.received_here,
            self.forwarded_here,
            self.decoded_here,
            self.mixed_here,
            self.received_there,
            self.forwarded_there,
            self.decoded_there
        )
    }
}
