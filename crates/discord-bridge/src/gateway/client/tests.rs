//! Where the client goes when Discord answers some questions and not others.

use std::time::Duration;

use bridge_kit::config::Secret;
use bridge_kit::health::Health;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;
use crate::PROGRAM;
use crate::config::ApiBase;
use crate::gateway::directory::Directory;

/// Discord's API, which tells where the gateway is once, and fails whoever asks again.
async fn forgetful_api(api: TcpListener, gateway: String) {
    let mut told = false;
    while let Ok((connection, _)) = api.accept().await {
        // Nobody waits for an answer who has broken the connection off.
        let _ = answer(connection, &gateway, &mut told).await;
    }
}

/// Answers one request and closes the connection.
async fn answer(connection: TcpStream, gateway: &str, told: &mut bool) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let mut header = String::new();
    while connection.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
        path if path.ends_with("/gateway") => {
            let again = std::mem::replace(told, true);
            (if again { 500 } else { 200 }, json!({ "url": gateway }))
        }
        path if path.ends_with("/gateway/bot") => {
            let limit = json!({ "total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1 });
            (
                200,
                json!({ "url": "ws://0.0.0.0:1", "shards": 1, "session_start_limit": limit }),
            )
        }
        _ => (
            200,
            json!({ "id": "7", "username": "bot", "discriminator": "0000", "bot": true }),
        ),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} it\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all((head + &body).as_bytes()).await
}

/// serenity asks for the gateway by itself, and goes to Discord's own, token and all, where it gets no answer.
#[tokio::test]
async fn the_gateway_that_was_found_is_used_though_nobody_tells_of_it_again() {
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let discord = Discord {
        token: Secret::new("token"),
        api: Some(ApiBase::new(&Url::parse(&format!("http://{}", api.local_addr().unwrap())).unwrap()).unwrap()),
        pictures: Url::parse("http://127.0.0.1:1").unwrap(),
        announce: false,
        max_channels: 1,
        ignore_users: vec![],
        known_bridges: vec![],
        bridge_bots: true,
    };
    let directory = Directory::default();
    let driver = Driver::new(directory.clone());
    let connection = Arc::new(Connection::new(directory, Health::new(PROGRAM).component("discord")));
    let (events, _told) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let address = format!("ws://{}", gateway.local_addr().unwrap());
    tokio::select! {
        biased;
        came = tokio::time::timeout(Duration::from_secs(20), gateway.accept()) => {
            came.expect("the client comes in time").expect("to the gateway that it was told of");
        }
        () = forgetful_api(api, address) => unreachable!("it answers for ever"),
        outcome = run(&discord, &driver, &connection, events, stop) => panic!("it gave up: {outcome:?}"),
    }
}
