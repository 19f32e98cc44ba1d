//! The bot in a voice channel and nothing else: no Matrix, no signalling. For tests and benches of what happens to voice
//! between a room's media and Discord.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use bridge_kit::health::Health;
use bridge_kit::media::RoomMedia;
use bridge_kit::supervise::{self, Task};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::PROGRAM;
use crate::config::Discord;
use crate::gateway::facts::{ChannelId, GuildId, Place, VoiceChannel};
use crate::gateway::{Connection, Directory, GatewayEvent, client};
use crate::voice::driver::{Driver, Session};
use crate::voice::event::JoinError;
use crate::voice::line::{self, LineWatch};
use crate::voice::listener::Admitted;

/// Gateway events that wait for whoever wants them.
const EVENTS: usize = 64;

/// A bot that is logged in, or about to be. Dropping it ends its connection.
#[derive(Debug)]
pub struct Visitor {
    pub(crate) driver: Driver,
    pub(crate) directory: Directory,
    /// What the gateway reports, for tests.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "whoever reports needs somebody who may listen")
    )]
    pub(crate) events: mpsc::Receiver<GatewayEvent>,
    stop: CancellationToken,
    _client: Task<()>,
}

/// The bot in a voice channel, with everybody's voice. Dropping it leaves the channel.
pub struct Visit(Session);

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}

impl Visitor {
    /// Begins to log in.
    pub fn new(discord: Discord) -> Self {
        // Of the two that are linked, as in the program; it fails only if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (directory, stop) = (Directory::default(), CancellationToken::new());
        let driver = Driver::new(directory.clone());
        let health = Health::new(PROGRAM).component("discord");
        let connection = Arc::new(Connection::new(directory.clone(), health));
        let (report, events) = mpsc::channel(EVENTS);
        let (of_client, stopping) = (driver.clone(), stop.clone());
        let client = supervise::spawn("discord.visitor", "", async move {
            if let Err(error) = client::run(&discord, &of_client, &connection, report, stopping).await {
                tracing::error!(%error, "cannot be on Discord");
            }
        });
        Self {
            driver,
            directory,
            events,
            stop,
            _client: client,
        }
    }

    /// Whether Discord has told of this channel.
    pub fn knows(&self, guild: NonZeroU64, channel: NonZeroU64) -> bool {
        let place = self.directory.place(Some(GuildId(guild)), ChannelId(channel));
        matches!(place, Place::Known(_))
    }

    /// Joins a voice channel and connects it with a room.
    ///
    /// # Errors
    /// What Discord answers, in words.
    pub async fn join(&self, guild: NonZeroU64, channel: NonZeroU64, media: &RoomMedia) -> Result<Visit, String> {
        let at = VoiceChannel {
            guild: GuildId(guild),
            channel: ChannelId(channel),
        };
        let joined = self.enter(at, media).await;
        joined
            .map(|(session, _)| Visit(session))
            .map_err(|error| error.to_string())
    }

    pub(crate) async fn enter(&self, at: VoiceChannel, media: &RoomMedia) -> Result<(Session, LineWatch), JoinError> {
        let (state, line) = line::line();
        let session = self
            .driver
            .join(at, media, Arc::new(|_| Some(Admitted::default())), state)
            .await?;
        Ok((session, line))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Visit {
    /// Leaves; returns when Discord has been told, or could not be.
    pub async fn leave(self) {
        self.0.leave().await;
    }
}
