//! The real serenity, unmodified, comes back from everything that Discord's gateway does to it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

use std::{sync::Arc, time::Duration};

use discord_standin::{
    Config, Standin,
    types::{GatewaySession, State},
};
use serenity::{all::GatewayIntents, client::ClientBuilder, http::HttpBuilder};

/// serenity waits five seconds before it identifies anew.
const PATIENCE: Duration = Duration::from_secs(40);

async fn eventually<T>(standin: &Standin, what: &str, f: impl Fn(&State) -> Option<T>) -> T {
    let control = standin.control();
    let search = async {
        loop {
            if let Some(found) = f(&control.state().await.unwrap()) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect(what)
}

/// The only session, once it is connected and was resumed so often.
fn resumed(state: &State, times: u64) -> Option<GatewaySession> {
    state
        .gateway
        .first()
        .filter(|session| session.connected && session.resumes == times)
        .cloned()
}

/// A connected session that is not this one.
fn other(state: &State, known: &GatewaySession) -> Option<GatewaySession> {
    let mut sessions = state.gateway.iter();
    let found = sessions.find(|session| session.connected && session.session_id != known.session_id);
    found.cloned()
}

#[tokio::test]
async fn serenity_resumes_whenever_it_may_and_identifies_when_it_must() {
    let standin = Standin::start(Config {
        heartbeat_interval: Duration::from_secs(1),
        ..Config::default()
    })
    .await
    .unwrap();
    let info = standin.info().clone();
    let control = standin.control();
    let http = HttpBuilder::new(&info.token)
        .proxy(&info.api_base)
        .ratelimiter_disabled(true)
        .build();
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_VOICE_STATES;
    let mut client = ClientBuilder::new_with_http(http, intents).await.unwrap();
    let shards = Arc::clone(&client.shard_manager);
    let running = tokio::spawn(async move { client.start_autosharded().await });

    let first = eventually(&standin, "no login", |state| resumed(state, 0)).await;
    control.reconnect_gateway("bridge").await.unwrap();
    eventually(&standin, "no resume after op 7", |state| resumed(state, 1)).await;
    control.invalidate_gateway("bridge", true).await.unwrap();
    eventually(&standin, "no resume after op 9", |state| resumed(state, 2)).await;
    control.close_gateway("bridge", 4000).await.unwrap();
    eventually(&standin, "no resume after a close", |state| resumed(state, 3)).await;
    control.close_gateway("bridge", 0).await.unwrap();
    eventually(&standin, "no resume after a cut", |state| resumed(state, 4)).await;
    let last = eventually(&standin, "gone", |state| resumed(state, 4)).await;
    assert_eq!(last.session_id, first.session_id);

    // A gateway that no longer answers heartbeats is left by serenity for a new session, not resumed.
    control.silence_gateway("bridge").await.unwrap();
    let second = eventually(&standin, "a zombie is kept", |state| other(state, &first)).await;
    control.invalidate_gateway("bridge", false).await.unwrap();
    eventually(&standin, "no new session", |state| other(state, &second)).await;
    shards.shutdown_all().await;
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("it does not end")
        .unwrap()
        .unwrap();
    standin.shutdown().await;
}
