//! The health server over HTTP.

use bridge_kit::cli::Role;
use bridge_kit::health::{Health, State, serve};
use bridge_kit::supervise;
use bridge_kit::telemetry::Metrics;
use serde_json::{Value, json};

use crate::program;

async fn get(url: String) -> (u16, Value) {
    let answer = reqwest::get(url).await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn health_follows_the_components_and_shows_what_they_say() {
    let health = Health::new(program("test-bridge", Role::Asks, "voicebot"));
    let metrics = Metrics::install().expect("metrics");
    let server = serve("127.0.0.1:0".parse().expect("an address"), health.clone(), metrics)
        .await
        .expect("served");
    let url = |path: &str| format!("http://{}{path}", server.address());

    assert_eq!(get(url("/live")).await, (200, json!({ "live": true })));
    assert_eq!(get(url("/ready")).await.0, 503, "nothing has been started yet");
    let component = health.component("homeserver");
    let (status, body) = get(url("/ready")).await;
    assert_eq!((status, &body["ready"]), (503, &json!(false)));
    assert_eq!(body["components"]["homeserver"]["state"], "starting");
    component.set(State::Ready, "");
    assert_eq!(get(url("/ready")).await.0, 200);
    component.set(State::Connecting, "away");
    let (status, body) = get(url("/ready")).await;
    assert_eq!(
        (status, &body["components"]["homeserver"]["text"]),
        (503, &json!("away"))
    );
    let other = health.component("discord");
    other.set(State::Ready, "");
    drop(component);
    assert_eq!(get(url("/ready")).await.0, 200);

    let guard = health.status("channels", || json!({ "open": 3 }));
    let task = supervise::spawn("test.health", "nobody", std::future::pending::<()>());
    let (status, body) = get(url("/status")).await;
    assert_eq!(
        (status, &body["program"], &body["channels"]["open"]),
        (200, &json!("test-bridge"), &json!(3))
    );
    assert_eq!(body["tasks"]["test.health"], 1);
    let text = reqwest::get(url("/metrics"))
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert!(text.contains("vdp_tasks{kind=\"test.health\"} 1"), "{text}");
    drop((guard, task));
    assert!(get(url("/status")).await.1.get("channels").is_none());
}
