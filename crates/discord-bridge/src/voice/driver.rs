//! Joins and leaves voice channels: the only place, with its neighbours in this folder, that knows songbird.

use std::fmt;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use bridge_kit::channel::Audience;
use bridge_kit::media::{MediaSink, RoomMedia};
use serenity::client::ClientBuilder;
use songbird::driver::DecodeMode;
use songbird::driver::retry::Retry;
use songbird::input::{AudioStream, Input, LiveInput};
use songbird::tracks::{Track, TrackHandle};
use songbird::{Call, Config, Songbird};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::counters::{SendCounters, VoiceStats};
use super::event::{GATEWAY_TIMEOUT, JoinError};
use super::line::Line;
use super::listener::{self, Admit, Ears, Listener};
use super::outgoing::{self, Playback, TrackControl, TrackSource};
use super::seat::{Seat, Seats};
use crate::gateway::Directory;
use crate::gateway::facts::VoiceChannel;

/// How long the whole of a join may take, the voice server's part included.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the driver tries to get through to a voice server. It takes half a dozen round trips; a datagram lost on the way
/// costs all of this time, since the driver says it only once.
///
/// It tries twice, a quarter of a second apart. Whoever waits for the line can do better than a third time: to leave the
/// channel and to enter it anew, which gets another session, and perhaps another server, from Discord.
const SERVER_TIMEOUT: Duration = Duration::from_secs(4);

/// How long the mixer may take to get the track ready; it needs one or two of its 20 ms ticks.
const TRACK_TIMEOUT: Duration = Duration::from_secs(2);

/// The voice driver of one bot.
#[derive(Clone)]
pub(crate) struct Driver {
    songbird: Arc<Songbird>,
    seats: Seats,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    /// `directory` says where the bot is.
    pub(crate) fn new(directory: Directory) -> Self {
        let config = Config::default()
            // Packets come out of the encryption of the transport and of DAVE, and stay Opus.
            .decode_mode(DecodeMode::Decrypt)
            .driver_timeout(Some(SERVER_TIMEOUT))
            .driver_retry(Retry {
                retry_limit: Some(NonZeroU8::MIN),
                ..Retry::default()
            })
            .gateway_timeout(Some(GATEWAY_TIMEOUT));
        let songbird = Songbird::serenity_from_config(config);
        let seats = Seats::new(Arc::clone(&songbird), directory);
        Self { songbird, seats }
    }

    /// Lets the driver send and receive through a gateway client that is being built.
    pub(crate) fn register(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.voice_manager_arc(Arc::clone(&self.songbird) as _)
    }

    /// Joins a voice channel and connects it with a room: its speakers become sources of the room, and what the room has
    /// for Discord is sent.
    ///
    /// Must not be called before the gateway client is ready. Dropping the future leaves the channel again.
    pub(crate) async fn join(
        &self,
        at: VoiceChannel,
        media: &RoomMedia,
        admit: Admit,
        line: watch::Sender<Line>,
    ) -> Result<Session, JoinError> {
        let ears = Ears(Arc::new(Listener::new(media.clone(), admit, line)));
        let taking = self.take_seat(at, &ears.0);
        let (seat, call) = timeout(JOIN_TIMEOUT, taking)
            .await
            .map_err(|_| JoinError::NoAnswer(JOIN_TIMEOUT))??;

        let counters = Arc::new(SendCounters::default());
        let (sink, source, control) = outgoing::track(&counters);
        play(&call, source, &control).await?;
        let sink = media.add_sink(listener::sink_spec(), Box::new(sink));
        Ok(Session {
            sink,
            audience: watch::Sender::default(),
            ears,
            counters,
            seat,
        })
    }

    async fn take_seat(
        &self,
        at: VoiceChannel,
        listener: &Arc<Listener>,
    ) -> Result<(Seat, Arc<Mutex<Call>>), JoinError> {
        let seat = self.seats.take(at.guild).await;
        let call = self.songbird.get_or_insert(at.guild.0);
        connect(&call, at, listener).await?;
        Ok((seat, call))
    }
}

async fn connect(call: &Mutex<Call>, at: VoiceChannel, listener: &Arc<Listener>) -> Result<(), JoinError> {
    let joining = {
        let mut call = call.lock().await;
        listener::attach(listener, &mut call);
        call.join(at.channel.0).await.map_err(|error| JoinError::from(&error))?
    };
    // songbird needs the call for itself while it connects.
    joining.await.map_err(|error| JoinError::from(&error))
}

/// Starts the one track, paused. It is made playable first, so that the first talk spurt does not wait for songbird's probe.
async fn play(call: &Mutex<Call>, source: TrackSource, control: &TrackControl) -> Result<(), JoinError> {
    let stream = AudioStream {
        input: Box::new(source) as _,
    };
    let track = Track::new(Input::Live(LiveInput::Raw(stream), None)).pause();
    let handle = call.lock().await.play_only(track);
    let ready = timeout(TRACK_TIMEOUT, handle.make_playable_async()).await;
    if !matches!(ready, Ok(Ok(()))) {
        return Err(JoinError::Playback);
    }
    control.attach(Box::new(SongbirdTrack(handle)));
    Ok(())
}

struct SongbirdTrack(TrackHandle);

impl Playback for SongbirdTrack {
    /// An error means that the track has ended, which it does only with the whole call.
    fn play(&self) {
        let _ = self.0.play();
    }

    fn pause(&self) {
        let _ = self.0.pause();
    }
}

/// A voice channel that was joined. Dropping it leaves the channel.
pub(crate) struct Session {
    // In this order: both ways fall silent first, and only the farewell takes time.
    sink: MediaSink,
    audience: watch::Sender<Audience>,
    ears: Ears,
    counters: Arc<SendCounters>,
    seat: Seat,
}

impl Session {
    /// Leaves the channel; returns when Discord has been told, or could not be.
    pub(crate) async fn leave(self) {
        let Self { sink, ears, seat, .. } = self;
        drop((sink, ears));
        seat.leave().await;
    }

    /// Says who hears the bot in the channel. Where nobody does, nothing is decoded, mixed or sent for them.
    pub(crate) fn set_audience(&self, audience: Audience) {
        let changed = self
            .audience
            .send_if_modified(|before| std::mem::replace(before, audience) != audience);
        if changed {
            self.sink.set_except(listener::hearing(audience.listening));
            self.sink.set_bitrate(audience.bitrate);
        }
    }

    /// Who hears the bot in the channel.
    pub(crate) fn audience(&self) -> watch::Receiver<Audience> {
        self.audience.subscribe()
    }

    /// What has gone through so far.
    pub(crate) fn stats(&self) -> VoiceStats {
        VoiceStats::read(self.ears.0.speakers(), self.ears.0.counters(), &self.counters)
    }
}
