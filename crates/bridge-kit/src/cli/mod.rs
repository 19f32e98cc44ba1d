//! The command line of a bridge, and its life from flags to exit code.

mod check;
mod examine;
mod failure;
mod flags;
mod registration;

use std::future::{Future, ready};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

pub use self::check::Report;
pub use self::failure::{Exit, ServiceFailure};
use self::flags::{Flags, Task};
use crate::config::{Config, Reader, Sections, example};
use crate::doctor::{Finding, Visit};
use crate::health::{self, Health};
use crate::lifecycle::Shutdown;
use crate::notify;
pub use crate::program::{Program, Role};
use crate::telemetry::instrument::Instrument;
use crate::telemetry::{self, Metrics};

/// How long the runtime may take to drop what is left after the service has ended.
const LEFTOVERS: Duration = Duration::from_millis(500);

/// The stack of a worker, in bytes. Group key agreement in the libraries of the services takes much of it where it is not
/// optimised: a test has overflowed tokio's 2 MiB once.
const STACK: usize = 8 << 20;

/// What a bridge is to the kit.
pub trait Service {
    /// The sections of the configuration that only this program has.
    type Sections: Sections;

    /// Its identity and defaults.
    const PROGRAM: Program;

    /// What it counts and measures, beside what the kit does.
    const INSTRUMENTS: &'static [Instrument];

    /// Runs until [`Kit::shutdown`] is requested, then says goodbye within [`SOFT_LIMIT`](crate::lifecycle::SOFT_LIMIT).
    ///
    /// An error that holds a [`ConfigError`](crate::config::ConfigError) or a
    /// [`MatrixError`](crate::matrix::MatrixError) chooses the exit code by it.
    fn run(kit: Kit<Self::Sections>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The program's own part of `--check`.
    fn check(_config: &Config<Self::Sections>, _report: &mut Report) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// The program's own part of `doctor`.
    fn examine(_visit: &Visit<'_, Self::Sections>) -> impl Future<Output = Vec<Finding>> + Send {
        ready(Vec::new())
    }
}

/// What the kit has set up for a service.
#[derive(Debug)]
pub struct Kit<S> {
    /// The settings.
    pub config: Config<S>,
    /// Says when to stop.
    pub shutdown: Shutdown,
    /// Where the service registers its components.
    pub health: Health,
}

/// Runs a service from its command line; returns the process's exit code.
pub fn main<S: Service>() -> ExitCode {
    let flags = match Flags::parse(&S::PROGRAM) {
        Ok(flags) => flags,
        Err(error) => return failure::wrong_flags(&error),
    };
    let outcome = if flags.generate_config {
        print(&example::<S::Sections>(&S::PROGRAM))
    } else if flags.generate_registration {
        generate_registration::<S>(&flags)
    } else {
        start::<S>(flags)
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => failure::explain(&error).into(),
    }
}

fn generate_registration<S: Service>(flags: &Flags) -> anyhow::Result<Exit> {
    let reader = Reader::open::<S::Sections>(&S::PROGRAM, flags.config.as_deref())?;
    let (yaml, advice) = registration::generate(&reader)?;
    for line in advice {
        failure::say(&line);
    }
    print(&yaml)
}

fn start<S: Service>(flags: Flags) -> anyhow::Result<Exit> {
    let config = Config::load(&S::PROGRAM, flags.config.as_deref())?;
    telemetry::start_logging(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        match flags.task {
            Some(Task::Doctor(doctor)) => Ok(examine::run::<S>(&config, &doctor.into()).await),
            None if flags.check => Ok(check::run::<S>(&config).await),
            None => run::<S>(config).await,
        }
    });
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}

async fn run<S: Service>(config: Config<S::Sections>) -> anyhow::Result<Exit> {
    let metrics = Metrics::install()?;
    metrics.describe(S::INSTRUMENTS);
    let health = Health::new(S::PROGRAM);
    let shutdown = Shutdown::new();
    let _signals = shutdown.on_signals().context("cannot handle signals")?;
    let _notifier = notify::keep(health.clone(), shutdown.clone());
    let _upkeep = metrics.keep_up();
    let _server = health::serve(config.telemetry.listen, health.clone(), metrics)
        .await
        .with_context(|| format!("telemetry.listen: cannot listen on {}", config.telemetry.listen))?;
    tracing::info!(version = S::PROGRAM.version, "{} starts", S::PROGRAM.name);
    let kit = Kit {
        config,
        shutdown: shutdown.clone(),
        health,
    };
    tokio::select! {
        ended = S::run(kit) => ended?,
        () = shutdown.forced() => tracing::warn!("stopped before everything had said goodbye"),
    }
    tracing::info!("stopped");
    Ok(Exit::Success)
}

/// Writes to standard output; a reader that has gone away (`| head`) is no failure of ours.
fn print(text: &str) -> anyhow::Result<Exit> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(Exit::Success),
    }
}
