//! Logs and metrics of the whole process.
//!
//! Logs go to standard error, as text or as one JSON object a line. Metrics are collected by one recorder and
//! rendered in Prometheus' text format by [`Metrics::render`].

pub mod instrument;

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;
use tracing_subscriber::util::SubscriberInitExt;

use self::instrument::Instrument;
use crate::config::{LogFormat, Telemetry};
use crate::supervise::{self, Task};

/// Upper bounds of the buckets of every histogram of seconds: from a packet's work to a slow homeserver.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// How often the recorder folds samples together, so that its memory stays bounded where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of `telemetry.log` is none; a checked configuration never gives this.
    #[error("telemetry.log is no filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else has set up logging for this process.
    #[error("logging is set up already: {0}")]
    Logging(#[from] tracing_subscriber::util::TryInitError),
    /// The recorder of metrics could not be installed.
    #[error("cannot record metrics: {0}")]
    Metrics(#[from] BuildError),
}

/// Sends the process's logs to standard error.
pub fn start_logging(settings: &Telemetry) -> Result<(), TelemetryError> {
    let builder = Subscriber::builder()
        .with_env_filter(EnvFilter::try_new(&settings.log)?)
        // Colours are for people, not for files and journals.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// The metrics of the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder, or returns the one that this process has.
    pub fn install() -> Result<Self, TelemetryError> {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        if let Some(handle) = INSTALLED.get() {
            return Ok(Self { handle: handle.clone() });
        }
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        let metrics = Self {
            handle: INSTALLED.get_or_init(|| handle).clone(),
        };
        metrics.describe(crate::INSTRUMENTS);
        Ok(metrics)
    }

    /// Says what these instruments mean. The kit's own are described already.
    pub fn describe(&self, instruments: &[Instrument]) {
        instruments.iter().for_each(Instrument::describe);
    }

    /// Renders all metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the recorder's memory bounded for as long as the returned task lives.
    pub fn keep_up(&self) -> Task<()> {
        let handle = self.handle.clone();
        supervise::spawn("telemetry.upkeep", "program", async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        })
    }
}
