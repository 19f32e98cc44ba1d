//! The program: everything wired together, and the loop that hands out events.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bridge_kit::channel::{self, Asker};
use bridge_kit::cli::{Kit, Program, Role, Service};
use bridge_kit::config::Config;
use bridge_kit::doctor::{Finding, Visit};
use bridge_kit::health::StatusGuard;
use bridge_kit::lifecycle::Shutdown;
use bridge_kit::matrix::{LinkChange, MatrixEnd, MatrixEvent, MatrixFeed, RoomEvent};
use bridge_kit::media::MediaPool;
use bridge_kit::telemetry::instrument::Instrument;
use bridge_kit::vdp::Endpoint;
use serde_json::json;
use tokio::sync::mpsc;

use crate::call::Calls;
use crate::doctor;
use crate::instruments::INSTRUMENTS;
use crate::matrixrtc;
use crate::rooms::{Errands, Past, Rooms};
use crate::settings::Settings;
use crate::voip::{Identity, Switchboard};
use crate::webrtc::Port;

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

    const INSTRUMENTS: &'static [Instrument] = INSTRUMENTS;

    async fn examine(visit: &Visit<'_, Settings>) -> Vec<Finding> {
        doctor::examine(visit).await
    }

    async fn run(kit: Kit<Settings>) -> anyhow::Result<()> {
        let (bridge, inlets) = Bridge::start(&kit).await?;
        bridge.run(inlets, &kit.shutdown).await
    }
}

/// The parts of the running program.
struct Bridge {
    matrix: MatrixEnd,
    asker: Asker,
    switchboard: Switchboard,
    /// Nothing where the operator wants no such calls.
    matrixrtc: Option<matrixrtc::Part>,
    errands: Errands,
    _status: Vec<StatusGuard>,
}

/// Where the loop's work comes from.
struct Inlets {
    events: mpsc::Receiver<MatrixEvent>,
    pasts: mpsc::Receiver<Past>,
}

/// What the loop wakes up for.
enum Wakeup {
    Matrix(Option<MatrixEvent>),
    Past(Past),
    Stop,
}

impl Bridge {
    async fn start(kit: &Kit<Settings>) -> anyhow::Result<(Self, Inlets)> {
        let config = &kit.config;
        let port = Arc::new(Port::bind(&config.own.webrtc)?);
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
        let matrixrtc = matrixrtc_part(config, &matrix, &homeserver, &calls)?;
        let switchboard = Switchboard::new(identity(config), homeserver, calls.clone(), port.clone());
        let (errands, pasts) = Errands::start(matrix.clone());
        let channels = asker.clone();
        let mut status = vec![
            kit.health.status("calls", move || calls.status()),
            kit.health.status("channels", move || json!(channels.status())),
            kit.health
                .status("webrtc", move || json!({"connections": port.lines()})),
            kit.health.status("media", move || json!(pool.status())),
        ];
        if let Some(board) = matrixrtc.as_ref().map(matrixrtc::Part::board) {
            status.push(kit.health.status("matrixrtc", move || board.status()));
        }
        let bridge = Self {
            matrix,
            asker,
            switchboard,
            matrixrtc,
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
                () = attend(self.matrixrtc.as_mut()) => continue,
            };
            match wakeup {
                Wakeup::Matrix(Some(event)) => self.on_matrix(event),
                Wakeup::Past(past) => self.on_past(&past),
                Wakeup::Matrix(None) | Wakeup::Stop => break,
            }
        }
        let matrixrtc = self.matrixrtc.take();
        let leave_sfus = async {
            if let Some(matrixrtc) = matrixrtc {
                matrixrtc.stop(GOODBYE).await;
            }
        };
        tokio::join!(self.switchboard.stop(GOODBYE), leave_sfus);
        self.asker.stop().await;
        Ok(())
    }

    /// Takes the past of all rooms before anything new, so that what a homeserver repeats of it is known.
    async fn catch_up(&mut self, pasts: &mut mpsc::Receiver<Past>) {
        let mut all_read = self.errands.catch_up();
        let reading = async {
            loop {
                tokio::select! {
                    biased;
                    Some(past) = pasts.recv() => self.on_past(&past),
                    // Without a word, too, there is nothing more to wait for.
                    _ = &mut all_read => return,
                }
            }
        };
        if tokio::time::timeout(PAST_FIRST, reading).await.is_err() {
            tracing::warn!("the past of some rooms is still being read");
        }
    }

    /// A room that was read: its calls of both kinds may go on.
    fn on_past(&mut self, past: &Past) {
        self.switchboard.catch_up(&past.events);
        if let Some(matrixrtc) = &mut self.matrixrtc {
            matrixrtc.examine(&past.room);
        }
    }

    fn on_link(&mut self, change: &LinkChange) {
        if change.link.is_some() {
            self.errands.introduce(change.room_id.clone());
        }
        let Some(matrixrtc) = &mut self.matrixrtc else { return };
        match change.link {
            Some(_) => matrixrtc.examine(&change.room_id),
            None => matrixrtc.unbridged(&change.room_id),
        }
    }

    fn on_matrix(&mut self, event: MatrixEvent) {
        match event {
            // The first time, the past was read already.
            MatrixEvent::Connected { times } if times > 1 => drop(self.errands.catch_up()),
            MatrixEvent::Connected { .. } => {}
            // A call of `m.call` events whose link ends is closed by the other bridge, which says why.
            MatrixEvent::Link(change) => self.on_link(&change),
            MatrixEvent::Room(event) => {
                if self.may_need_words(&event) {
                    self.errands.examine(event.room_id.clone());
                }
                self.switchboard.handle(&event);
                if let Some(matrixrtc) = &mut self.matrixrtc {
                    matrixrtc.handle(&event);
                }
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

fn matrixrtc_part(
    config: &Config<Settings>,
    matrix: &MatrixEnd,
    rooms: &Arc<Rooms>,
    calls: &Calls,
) -> anyhow::Result<Option<matrixrtc::Part>> {
    if !config.own.matrixrtc.enabled {
        return Ok(None);
    }
    let setting = matrixrtc::Setting {
        config: config.own.matrixrtc.clone(),
        client: matrix.client.clone(),
        peer: config.peer.user_id.clone(),
        rooms: rooms.clone(),
        calls: calls.clone(),
        webrtc: config.own.webrtc.clone(),
    };
    let part = matrixrtc::Part::new(setting).context("matrixrtc: no client for authorisation services")?;
    Ok(Some(part))
}

/// Lets calls over SFUs begin; pending for ever where there are none.
async fn attend(matrixrtc: Option<&mut matrixrtc::Part>) {
    match matrixrtc {
        Some(matrixrtc) => matrixrtc.attend().await,
        None => std::future::pending().await,
    }
}
