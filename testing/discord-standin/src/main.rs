//! The stand-in as a program: prints one line of JSON when it is ready, runs until it is told to end.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Parser;
use discord_standin::{Config, Standin, types::DavePolicy};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A local Discord for tests and demonstrations.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address of REST and gateway.
    #[arg(long, default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Address of the control interface.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Address of the voice gateway (TLS).
    #[arg(long, default_value = "127.0.0.1:0")]
    voice: SocketAddr,
    /// Address of UDP voice.
    #[arg(long, default_value = "127.0.0.1:0")]
    udp: SocketAddr,
    /// Where to write the CA certificate (PEM); a temporary file by default.
    #[arg(long)]
    ca_out: Option<PathBuf>,
    /// Token of the first bot.
    #[arg(long, default_value = "standin-token")]
    token: String,
    /// Name of the first bot.
    #[arg(long, default_value = "bridge")]
    bot_name: String,
    /// End-to-end encryption of voice channels: required, optional or off.
    #[arg(long, default_value = "required")]
    dave: DavePolicy,
    /// Adds a person; may be given several times.
    #[arg(long)]
    person: Vec<String>,
    /// Log filter; logs go to standard error.
    #[arg(long, default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&arguments.log).context("--log")?)
        .with_writer(io::stderr)
        .init();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let standin = Standin::start(Config {
        http: arguments.http,
        control: arguments.control,
        voice: arguments.voice,
        udp: arguments.udp,
        ca_out: arguments.ca_out,
        token: arguments.token,
        bot_name: arguments.bot_name,
        dave: arguments.dave,
        ..Config::default()
    })
    .await?;
    for name in &arguments.person {
        standin
            .control()
            .create_person(name)
            .await
            .with_context(|| format!("--person {name}"))?;
    }
    let ready = serde_json::to_string(standin.info())?;
    writeln!(io::stdout(), "{ready}").context("cannot print the ready line")?;

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    standin.shutdown().await;
    Ok(())
}
