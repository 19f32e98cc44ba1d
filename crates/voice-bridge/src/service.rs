//! The program: everything wired together, and the loop that hands out events.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bridge_kit::channel::{self, Asker};
use bridge_kit::cli::{Kit, Program, Role, Service};
use bridge_kit::config::Config;
use bridge_kit::health::StatusGuard;
use bridge_kit::lifecycle::Shutdown;
use bridge_kit::matrix::{MatrixEnd, MatrixEvent, MatrixFeed, RoomEvent};
use bridge_kit::media::MediaPool;
use bridge_kit::vdp::Endpoint;
use serde_json::json;
use tokio::sync::mpsc;

use crate::call::{self, Calls};
use crate::livekit;
use crate::rooms::{Errands, Rooms};
use crate::settings::Settings;
use crate::voip::{self, Identity, Switchboard};
use crate::webrtc::{self, Port};

/// How long calls may take to say goodbye when the program stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long what happens may wait, at start, until all that has happened was read.
const PAST_FIRST: Duration = Duration::from_secs(5);

/// The voice bridge, as the kit runs it.
#[derive(Debug, Clone, Copy)]
pub struct VoiceBridge;

impl Service for VoiceBridge {
    type Sections = Settings;

    const PROGRAM: Program = Program {
        name: "voice-bridge",
        version: env!("CARGO_PKG_VERSION"),
        about: "Takes part in the Matrix calls of bridged rooms and carries their voice to the other bridge over VDP",
        role: Role::Asks,
        bot: "voicebridge",
        ghost_prefix: "_vdp_voice_",
        appservice_port: 29331,
        telemetry_port: 29332,
        vdp_port: 29400,
    };

    async fn run(kit: Kit<Settings>) -> anyhow::Result<()> {
        describe();
        let (bridge, inlets) = Bridge::start(&kit).await?;
        bridge.run(inlets, &kit.shutdown).await
    }
}

fn describe() {
    call::describe();
    voip::describe();
    webrtc::describe();
    livekit::describe();
    metrics::describe_counter!(
        "voice_bridge_errands_dropped_total",
        "Things to be asked of the homeserver that came too fast"
    );
}

/// The parts of the running program.
struct Bridge {
    matrix: MatrixEnd,
    asker: Asker,
    switchboard: Switchboard,
    errands: Errands,
    _status: [StatusGuard; 4],
}

/// Where the loop's work comes from.
struct Inlets {
    events: mpsc::Receiver<MatrixEvent>,
    pasts: mpsc::Receiver<Vec<RoomEvent>>,
}

/// What the loop wakes up for.
enum Wakeup {
    Matrix(Option<MatrixEvent>),
    Past(Vec<RoomEvent>),
    Stop,
}

impl Bridge {
    async fn start(kit: &Kit<Settings>) -> anyhow::Result<(Self, Inlets)> {
        let config = &kit.config;
        let port = Arc::new(Port::bind(&config.own.webrtc).await?);
        let endpoint = Endpoint::bind(&config.vdp)?;
        let pool = MediaPool::configured(&config.media).context("media.threads: the threads cannot be started")?;
        let (matrix, MatrixFeed { events, incoming }) =
            MatrixEnd::start(config, VoiceBridge::PROGRAM.role, &kit.health).await?;
        let control = Arc::new(matrix.control.clone());
        let asker = Asker::start(
            control,
            incoming,
            endpoint.clone(),
            channel::Settings::configured(&config.vdp),
        );
        let homeserver = Arc::new(Rooms::new(&matrix));
        let people = config.own.people.clone();
        let calls = Calls::new(Arc::new(asker.clone()), homeserver.clone(), pool.clone(), people);
        let switchboard = Switchboard::new(identity(config), homeserver, calls.clone(), port.clone());
        let (errands, pasts) = Errands::start(matrix.clone());
        let channels = asker.clone();
        let status = [
            kit.health.status("calls", move || calls.status()),
            kit.health.status("channels", move || json!(channels.status())),
            kit.health
                .status("webrtc", move || json!({"connections": port.lines()})),
            kit.health.status("media", move || json!(pool.status())),
        ];
        let bridge = Self {
            matrix,
            asker,
            switchboard,
            errands,
            _status: status,
        };
        Ok((bridge, Inlets { events, pasts }))
    }

    async fn run(mut self, mut inlets: Inlets, shutdown: &Shutdown) -> anyhow::Result<()> {
        tokio::select! {
            established = self.matrix.established() => established?,
            () = shutdown.requested() => {}
        }
        tokio::select! {
            () = self.catch_up(&mut inlets.pasts) => {}
            () = shutdown.requested() => {}
        }
        loop {
            let wakeup = tokio::select! {
                event = inlets.events.recv() => Wakeup::Matrix(event),
                Some(past) = inlets.pasts.recv() => Wakeup::Past(past),
                () = shutdown.requested() => Wakeup::Stop,
                () = self.switchboard.tidy() => continue,
            };
            match wakeup {
                Wakeup::Matrix(Some(event)) => self.on_matrix(event),
                Wakeup::Past(past) => self.switchboard.catch_up(&past),
                Wakeup::Matrix(None) | Wakeup::Stop => break,
            }
        }
        self.switchboard.stop(GOODBYE).await;
        self.asker.stop().await;
        Ok(())
    }

    /// Takes the past of all rooms before anything new, so that what a homeserver repeats of it is known.
    async fn catch_up(&mut self, pasts: &mut mpsc::Receiver<Vec<RoomEvent>>) {
        let mut all_read = self.errands.catch_up();
        let switchboard = &mut self.switchboard;
        let reading = async {
            loop {
                tokio::select! {
                    biased;
                    Some(past) = pasts.recv() => switchboard.catch_up(&past),
                    // Without a word, too, there is nothing more to wait for.
                    _ = &mut all_read => return,
                }
            }
        };
        if tokio::time::timeout(PAST_FIRST, reading).await.is_err() {
            tracing::warn!("the past of some rooms is still being read");
        }
    }

    fn on_matrix(&mut self, event: MatrixEvent) {
        match event {
            // The first time, the past was read already.
            MatrixEvent::Connected { times } if times > 1 => drop(self.errands.catch_up()),
            // A call whose link ends is closed by the other bridge, which says why.
            MatrixEvent::Connected { .. } | MatrixEvent::Link(_) => {}
            MatrixEvent::Room(event) => {
                if self.may_need_words(&event) {
                    self.errands.examine(event.room_id.clone());
                }
                self.switchboard.handle(&event);
            }
        }
    }

    /// Whether the room may have become one whose calls cannot be taken.
    fn may_need_words(&self, event: &RoomEvent) -> bool {
        let joined = matches!(event.membership(), Some((user, "join")) if user == self.matrix.client.bot().as_str());
        joined || event.kind == "m.room.encryption"
    }
}

fn identity(config: &Config<Settings>) -> Identity {
    Identity {
        user_id: config.appservice.bot.clone(),
        peer: config.peer.user_id.clone(),
        party_id: config.appservice.id.clone(),
    }
}
