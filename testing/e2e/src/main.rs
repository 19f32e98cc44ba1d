//! Runs end-to-end scenarios and the development stack. `cargo xtask e2e` and `cargo xtask dev` call it after they
//! have built what it starts.

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use e2e::container::{self, Authorisation, Page};
use e2e::dev::{self, RealDiscord};
use e2e::docker;
use e2e::interruption::Interruption;
use e2e::scenarios;
use std::path::PathBuf;
use std::process::ExitCode;

/// End-to-end scenarios and the development stack.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the scenarios.
    List,
    /// Run scenarios; all if none is named.
    Run {
        /// One scenario of each area.
        #[arg(long)]
        quick: bool,
        names: Vec<String>,
    },
    /// Make the base images of the Dockerfile that are not there, from this machine and from packages.
    BaseImages,
    /// Serve the page for the stack of docker-compose.yml, in a container.
    Page(Box<Page>),
    /// Let people into the LiveKit of docker-compose.yml where lk-jwt-service is not to be had, in a container.
    Authorisation(Authorisation),
    /// Make what the talker of the local Discord says.
    Speech {
        /// The WAV file to write.
        path: PathBuf,
    },
    /// Start everything and serve the page until Ctrl-C.
    Dev {
        /// Port of the page on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 8420)]
        port: u16,
        /// File with a Discord bot's token: use the real Discord.
        #[arg(long, requires_all = ["guild", "channel"])]
        token_file: Option<PathBuf>,
        #[arg(long, requires = "token_file")]
        guild: Option<String>,
        #[arg(long, requires = "token_file")]
        channel: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::List => {
            scenarios::list();
            Ok(())
        }
        Command::Run { quick, names } => {
            let mut interruption = Interruption::new()?;
            tokio::select! {
                outcome = scenarios::run(&names, quick) => outcome,
                // What was started ends with the run that is dropped here.
                () = interruption.wait() => bail!("interrupted"),
            }
        }
        Command::BaseImages => docker::make_base_images().await,
        Command::Page(page) => container::serve(*page).await,
        Command::Authorisation(service) => container::let_in(service).await,
        Command::Speech { path } => container::make_speech(&path),
        Command::Dev {
            port,
            token_file,
            guild,
            channel,
        } => {
            let real = token_file.zip(guild).zip(channel);
            let real = real.map(|((token_file, guild), channel)| RealDiscord {
                token_file,
                guild,
                channel,
            });
            dev::run(port, real).await
        }
    }
}
