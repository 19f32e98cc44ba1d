//! The program: puts the parts together and moves events between them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bridge_kit::channel::{Answerer, Settings};
use bridge_kit::cli::{Kit, Program, Report, Role, Service, ServiceFailure};
use bridge_kit::config::Config;
use bridge_kit::doctor::{Finding, Visit};
use bridge_kit::health::StatusGuard;
use bridge_kit::matrix::{Fault, MatrixEnd, MatrixEvent, MatrixFeed};
use bridge_kit::media::MediaPool;
use bridge_kit::supervise::{self, Task};
use bridge_kit::telemetry::instrument::Instrument;
use bridge_kit::vdp::Endpoint;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bridge::{Answers, Bridge, Ended, Parts, Trouble};
use crate::config::Own;
use crate::doctor;
use crate::gateway::api::{self, ApiError};
use crate::gateway::facts::UserId;
use crate::gateway::{Connection, Directory, GatewayError, GatewayEvent, client};
use crate::instruments::INSTRUMENTS;
use crate::presence::status::Status;
use crate::presence::{self, Presence};
use crate::voice::driver::Driver;

/// What this program is called, and where it listens by default.
pub const PROGRAM: Program = Program {
    name: "discord-bridge",
    version: env!("CARGO_PKG_VERSION"),
    about: "Joins the Discord voice channels that Matrix rooms are bridged to when a voice-bridge asks for them, \
            and carries voice between the two over VDP.",
    role: Role::Answers,
    bot: "discordbridge",
    ghost_prefix: "_vdp_discord_",
    appservice_port: 29333,
    telemetry_port: 29334,
    vdp_port: 29401,
};

/// Changes on Discord, and troubles of calls, that may wait to be dealt with.
const QUEUE: usize = 256;

/// How long the gateway's farewell may take.
const GATEWAY_FAREWELL: Duration = Duration::from_secs(1);

/// The discord-bridge as a service.
#[derive(Debug)]
pub struct DiscordBridge;

impl Service for DiscordBridge {
    type Sections = Own;

    const PROGRAM: Program = PROGRAM;

    const INSTRUMENTS: &'static [Instrument] = INSTRUMENTS;

    async fn run(kit: Kit<Own>) -> anyhow::Result<()> {
        let stop = kit.shutdown.token();
        let running = Running::start(kit).await?;
        running.serve(stop).await
    }

    async fn check(config: &Config<Own>, report: &mut Report) {
        match api::enter(&api::http(&config.own.discord)).await {
            Ok(_) => report.ok("Discord knows the token"),
            Err(ApiError::Credentials) => {
                report.problem(Fault::Credentials, &GatewayError::Credentials.to_string());
            }
            Err(error) => report.problem(Fault::Unreachable, &error.to_string()),
        }
    }

    async fn examine(visit: &Visit<'_, Own>) -> Vec<Finding> {
        doctor::examine(visit).await
    }
}

/// Everything that lives as long as the program.
struct Running {
    matrix: MatrixEnd,
    bridge: Arc<Bridge>,
    presence: Arc<Presence>,
    answerer: Answerer,
    gateway: Gateway,
    inbox: Inbox,
    _status: [StatusGuard; 4],
}

/// The task that keeps the connection to Discord, and its end.
struct Gateway {
    task: Task<Result<(), GatewayError>>,
    stop: CancellationToken,
}

/// Where everything that happens arrives.
struct Inbox {
    matrix: mpsc::Receiver<MatrixEvent>,
    discord: mpsc::Receiver<GatewayEvent>,
    troubles: mpsc::Receiver<Trouble>,
}

/// What the program acts on.
enum Wakeup {
    Matrix(MatrixEvent),
    Discord(GatewayEvent),
    Trouble(Trouble),
    GatewayEnded(anyhow::Error),
    Shutdown,
}

impl Running {
    async fn start(kit: Kit<Own>) -> anyhow::Result<Self> {
        let Kit { config, health, .. } = kit;
        let endpoint = Endpoint::bind(&config.vdp).context("vdp.listen")?;
        let pool = MediaPool::configured(&config.media).context("cannot start the media threads")?;
        let (matrix, MatrixFeed { events, incoming }) = MatrixEnd::start(&config, PROGRAM.role, &health).await?;

        let channels = Settings::configured(&config.vdp);
        let (discord_events, discord) = mpsc::channel(QUEUE);
        let (report_trouble, troubles) = mpsc::channel(QUEUE);
        let directory = Directory::default();
        let driver = Driver::new(directory.clone());
        let connection = Arc::new(Connection::new(directory.clone(), health.component("discord")));
        let Own {
            discord: settings,
            people,
        } = config.own;
        let presence = Arc::new(Presence::start(presence::Parts {
            show: people.show,
            ignored: settings.ignore_users.iter().copied().map(UserId).collect(),
            directory: directory.clone(),
            matrix: matrix.client.clone(),
            links: matrix.links.clone(),
            notices: matrix.notices.clone(),
            pictures: settings.pictures.clone(),
        }));
        let gateway = Gateway::start(
            settings.clone(),
            driver.clone(),
            Arc::clone(&connection),
            discord_events,
        );
        let http = Arc::new(api::http(&settings));
        let peer = config.peer.user_id.clone();
        let status = people
            .status
            .then(|| Status::start(Arc::clone(&http), matrix.client.clone(), peer));
        let bridge = Bridge::new(Parts {
            http,
            discord: settings,
            people,
            driver,
            directory,
            connection,
            links: matrix.links.clone(),
            matrix: matrix.client.clone(),
            pool: pool.clone(),
            status,
            troubles: report_trouble,
        });
        let control = Arc::new(matrix.control.clone());
        let answers = Answers(Arc::clone(&bridge));
        let answerer = Answerer::start(control, incoming, endpoint, answers, channels);
        let status = [
            health.status("discord", {
                let bridge = Arc::clone(&bridge);
                move || bridge.status()
            }),
            health.status("people", {
                let presence = Arc::clone(&presence);
                move || presence.status()
            }),
            health.status("channels", {
                let answerer = answerer.clone();
                move || json!(answerer.status())
            }),
            health.status("media", move || json!(pool.status())),
        ];
        let inbox = Inbox {
            matrix: events,
            discord,
            troubles,
        };
        Ok(Self {
            matrix,
            bridge,
            presence,
            answerer,
            gateway,
            inbox,
            _status: status,
        })
    }

    /// Moves events until the program is to stop, then says goodbye: to the other bridge, to voice channels, to Discord.
    async fn serve(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let outcome = match stop.run_until_cancelled(self.established()).await {
            Some(Ok(())) => self.work(&stop).await,
            Some(Err(error)) => Err(error),
            None => Ok(()),
        };
        self.answerer.stop().await;
        self.gateway.say_goodbye().await;
        outcome
    }

    /// Waits for the homeserver, but not if Discord has refused the bot for good in the meantime.
    async fn established(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            established = self.matrix.established() => Ok(established?),
            outcome = self.gateway.task.finished() => Err(gateway_ended(outcome)),
        }
    }

    async fn work(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        loop {
            match self.next(stop).await {
                Wakeup::Matrix(event) => self.heed(&event).await,
                Wakeup::Discord(event) => self.end(self.bridge.changed(event).await),
                Wakeup::Trouble(trouble) => self.deal_with(trouble),
                Wakeup::GatewayEnded(error) => return Err(error),
                Wakeup::Shutdown => return Ok(()),
            }
        }
    }

    async fn heed(&self, event: &MatrixEvent) {
        match event {
            MatrixEvent::Link(change) => self.end(self.bridge.relink(change)),
            MatrixEvent::Room(event) => self.bridge.heed(event).await,
            MatrixEvent::Connected { .. } => {}
        }
        self.presence.heed(event).await;
    }

    async fn next(&mut self, stop: &CancellationToken) -> Wakeup {
        let Inbox {
            matrix,
            discord,
            troubles,
        } = &mut self.inbox;
        tokio::select! {
            () = stop.cancelled() => Wakeup::Shutdown,
            outcome = self.gateway.task.finished() => Wakeup::GatewayEnded(gateway_ended(outcome)),
            Some(event) = matrix.recv() => Wakeup::Matrix(event),
            Some(event) = discord.recv() => Wakeup::Discord(event),
            Some(trouble) = troubles.recv() => Wakeup::Trouble(trouble),
        }
    }

    fn deal_with(&self, trouble: Trouble) {
        match trouble {
            Trouble::Over(ended) => self.end([ended]),
            Trouble::Lost { room, loss } => {
                tracing::info!(%loss, "a voice channel is left and entered anew");
                self.answerer.renew(&room, loss.to_string());
            }
        }
    }

    fn end(&self, calls: impl IntoIterator<Item = Ended>) {
        for Ended { room, ending } in calls {
            tracing::info!(reason = %ending.reason, text = ending.text, "a call must end");
            self.answerer.close(&room, ending.reason, ending.text);
        }
    }
}

impl Gateway {
    fn start(
        discord: crate::config::Discord,
        driver: Driver,
        connection: Arc<Connection>,
        events: mpsc::Sender<GatewayEvent>,
    ) -> Self {
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = supervise::spawn("discord.gateway", "discord", async move {
            client::run(&discord, &driver, &connection, events, stopping).await
        });
        Self { task, stop }
    }

    async fn say_goodbye(self) {
        self.stop.cancel();
        if timeout(GATEWAY_FAREWELL, self.task.join()).await.is_err() {
            tracing::debug!("Discord's gateway did not answer the farewell");
        }
    }
}

/// The gateway's task ends by itself only where it cannot go on.
fn gateway_ended(outcome: Result<Result<(), GatewayError>, supervise::TaskEnd>) -> anyhow::Error {
    match outcome {
        Ok(Err(error @ GatewayError::Credentials)) => ServiceFailure::new(Fault::Credentials, error.to_string()).into(),
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) | Err(_) => anyhow::anyhow!("the connection to Discord was given up"),
    }
}
