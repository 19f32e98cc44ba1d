//! Rate limits of the REST interface and its log.

use std::time::Duration;

use discord_standin::{
    Standin,
    types::{Rate, RateScope, RefuseRequests, Route},
};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::client::{rest, standin};

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

fn messages() -> Route {
    Route {
        method: "POST".to_owned(),
        path: "/channels/{channel}/messages".to_owned(),
    }
}

async fn say(standin: &Standin, channel: &str) -> (u16, HeaderMap, Value) {
    let info = standin.info();
    let path = format!("/channels/{channel}/messages");
    let body = Some(json!({"content": "hello"}));
    rest(info, Method::POST, &path, Some(&info.token), body).await
}

#[tokio::test]
async fn every_answer_tells_where_its_bucket_stands() {
    let standin = standin().await;
    let text = standin.info().text_channel_id.clone();
    let rate = Rate {
        limit: 9,
        window_ms: 60_000,
    };
    standin.control().set_rest_limit(Some(messages()), rate).await.unwrap();
    let (status, first, _) = say(&standin, &text).await;
    let (_, second, _) = say(&standin, &text).await;
    assert_eq!(status, 200);
    let remaining = |headers: &HeaderMap| {
        header(headers, "x-ratelimit-remaining")
            .unwrap()
            .parse::<u32>()
            .unwrap()
    };
    assert_eq!(remaining(&first), remaining(&second) + 1);
    for name in ["x-ratelimit-limit", "x-ratelimit-reset", "x-ratelimit-reset-after"] {
        assert!(header(&first, name).is_some(), "{name}");
    }
    // The bucket's name does not depend on the channel, what is left in it does.
    let (_, elsewhere, _) = say(&standin, &standin.info().voice_channel_id).await;
    assert_eq!(
        header(&elsewhere, "x-ratelimit-bucket"),
        header(&first, "x-ratelimit-bucket")
    );
    assert_eq!(remaining(&elsewhere), remaining(&first));
    assert_eq!(header(&first, "x-ratelimit-scope"), None, "only a 429 has a scope");
    standin.shutdown().await;
}

#[tokio::test]
async fn a_narrowed_route_answers_429_until_its_window_is_over() {
    let standin = standin().await;
    let text = standin.info().text_channel_id.clone();
    let rate = Rate {
        limit: 1,
        window_ms: 2_000,
    };
    standin.control().set_rest_limit(Some(messages()), rate).await.unwrap();
    assert_eq!(say(&standin, &text).await.0, 200);
    let (status, headers, body) = say(&standin, &text).await;
    assert_eq!(status, 429);
    assert_eq!(body["message"], "You are being rate limited.");
    assert_eq!(body["global"], false);
    let wait = body["retry_after"].as_f64().unwrap();
    assert!((0.0..=2.0).contains(&wait), "{wait}");
    let whole = header(&headers, "retry-after").unwrap().parse::<f64>().unwrap();
    assert!((whole - wait.ceil()).abs() < f64::EPSILON, "whole seconds, rounded up");
    assert_eq!(header(&headers, "x-ratelimit-scope"), Some("user"));
    assert_eq!(header(&headers, "x-ratelimit-remaining"), Some("0"));
    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    assert_eq!(say(&standin, &text).await.0, 200);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_global_limit_stops_everything_but_answers_to_interactions() {
    let standin = standin().await;
    let info = standin.info().clone();
    let rate = Rate {
        limit: 1,
        window_ms: 60_000,
    };
    standin.control().set_rest_limit(None, rate).await.unwrap();
    let me = || rest(&info, Method::GET, "/users/@me", Some(&info.token), None);
    assert_eq!(me().await.0, 200);
    let (status, headers, body) = me().await;
    assert_eq!((status, &body["global"]), (429, &json!(true)));
    assert_eq!(header(&headers, "x-ratelimit-global"), Some("true"));
    assert_eq!(header(&headers, "x-ratelimit-scope"), Some("global"));
    let callback = "/interactions/1/token/callback";
    let (status, ..) = rest(
        &info,
        Method::POST,
        callback,
        Some(&info.token),
        Some(json!({"type": 5})),
    )
    .await;
    assert_eq!(status, 404, "unknown, but not limited");
    standin.shutdown().await;
}

#[tokio::test]
async fn the_next_requests_can_be_refused_and_all_are_logged() {
    let standin = standin().await;
    let control = standin.control();
    let text = standin.info().text_channel_id.clone();
    let refusal = RefuseRequests {
        times: 1,
        retry_after_ms: 1_500,
        scope: RateScope::Shared,
        route: Some(messages()),
    };
    control.refuse_rest(&refusal).await.unwrap();
    let (status, headers, body) = say(&standin, &text).await;
    assert_eq!((status, &body["retry_after"]), (429, &json!(1.5)));
    assert_eq!(header(&headers, "retry-after"), Some("2"));
    assert_eq!(header(&headers, "x-ratelimit-scope"), Some("shared"));
    assert_eq!(say(&standin, &text).await.0, 200);

    let log = control.rest_requests(0).await.unwrap();
    let seen: Vec<_> = log.requests.iter().map(|request| request.status).collect();
    assert_eq!(seen, [429, 200]);
    let last = &log.requests[1];
    assert_eq!(last.path, format!("/channels/{text}/messages"));
    assert_eq!(last.method, "POST");
    assert_eq!(last.body, Some(json!({"content": "hello"})));
    assert_eq!(last.user_id.as_deref(), Some(standin.info().bot_user_id.as_str()));
    assert!(control.rest_requests(log.next).await.unwrap().requests.is_empty());
    standin.shutdown().await;
}
