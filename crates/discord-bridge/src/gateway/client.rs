//! Keeps a connection to Discord's gateway: waits for Discord at the start, and connects again when it is lost.

use std::sync::Arc;

use serenity::all::{GatewayError as SerenityGateway, GatewayIntents};
use serenity::client::{Client, ClientBuilder};
use serenity::prelude::SerenityError;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::api::{self, ApiError, Backoff, Entrance};
use super::connection::Connection;
use super::handler::{GatewayEvent, Handler};
use crate::config::Discord;
use crate::voice::driver::Driver;

/// What the bot hears of: guilds with their channels and roles, and who is in which voice channel.
pub(super) const INTENTS: GatewayIntents = GatewayIntents::GUILDS.union(GatewayIntents::GUILD_VOICE_STATES);

/// Why the bot cannot be on Discord, until somebody changes something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The token is wrong.
    #[error("discord.token: Discord refuses the token; copy it anew from the developer portal")]
    Credentials,
    /// Discord does not let this bot know of guilds and voice states, which needs no approval. This is Discord's fault.
    #[error("Discord refuses the intents that every bot may have")]
    Intents,
}

/// Runs the gateway client until `stop`.
///
/// A Discord that cannot be reached is waited for; an error is returned only where waiting helps nobody.
pub(crate) async fn run(
    discord: &Discord,
    driver: &Driver,
    connection: &Arc<Connection>,
    events: mpsc::Sender<GatewayEvent>,
    stop: CancellationToken,
) -> Result<(), GatewayError> {
    let mut backoff = Backoff::new();
    loop {
        let Some(entrance) = stop.run_until_cancelled(wait_for_discord(discord)).await.transpose()? else {
            return Ok(());
        };
        match connect(discord, driver, connection, events.clone(), entrance, &stop).await {
            Ok(()) => return Ok(()),
            Err(SerenityError::Gateway(SerenityGateway::InvalidAuthentication)) => {
                return Err(GatewayError::Credentials);
            }
            Err(SerenityError::Gateway(
                SerenityGateway::DisallowedGatewayIntents | SerenityGateway::InvalidGatewayIntents,
            )) => return Err(GatewayError::Intents),
            Err(error) => {
                connection.lost();
                tracing::warn!(%error, "the gateway client ended; starting it again");
            }
        }
        if stop.run_until_cancelled(sleep(backoff.wait())).await.is_none() {
            return Ok(());
        }
    }
}

/// Asks until Discord answers; says once that it waits.
async fn wait_for_discord(discord: &Discord) -> Result<Entrance, GatewayError> {
    let http = api::http(discord);
    let mut backoff = Backoff::new();
    let mut said = false;
    loop {
        match api::enter(&http).await {
            Ok(entrance) => return Ok(entrance),
            Err(ApiError::Credentials) => return Err(GatewayError::Credentials),
            Err(error) if said => tracing::debug!(%error, "still waiting for Discord"),
            Err(error) => tracing::warn!(%error, "Discord does not answer; trying until it does"),
        }
        said = true;
        sleep(backoff.wait()).await;
    }
}

async fn connect(
    discord: &Discord,
    driver: &Driver,
    connection: &Arc<Connection>,
    events: mpsc::Sender<GatewayEvent>,
    entrance: Entrance,
    stop: &CancellationToken,
) -> Result<(), SerenityError> {
    let handler = Handler {
        connection: Arc::clone(connection),
        bot: entrance.bot,
        events,
    };
    let builder = ClientBuilder::new_with_http(api::http(discord), INTENTS)
        .event_handler(handler.clone())
        .raw_event_handler(handler);
    let mut client = driver.register(builder).await?;
    // serenity has asked for the address itself, and has made one up if it got no answer this time.
    *client.ws_url.lock().await = entrance.gateway;
    let shards = Arc::clone(&client.shard_manager);
    let outcome = stop.run_until_cancelled(start(&mut client)).await;
    shards.shutdown_all().await;
    outcome.unwrap_or(Ok(()))
}

/// Large bots must have as many shards as Discord says.
async fn start(client: &mut Client) -> Result<(), SerenityError> {
    client.start_autosharded().await
}

#[cfg(test)]
mod tests;
