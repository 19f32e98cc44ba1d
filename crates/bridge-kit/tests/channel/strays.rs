//! Events that no session waits for: what cannot be read, comes too late, or belongs to nothing.

use std::time::Duration;

use bridge_kit::channel::Asker;
use ruma::RoomId;
use serde_json::{Value, json};
use signalling::{Body, Channel, ChannelId, End, Event, Extensions, Format, Header, Offer, TransactionId, names};

use crate::control::room;
use crate::{Handler, World, bridged, endpoint, settings, until};

fn request(room_id: &RoomId, transaction: &str) -> Value {
    json!({
        "version": 1, "format": "plain-opus", "room_id": room_id, "transaction_id": transaction,
        "formats": ["plain-opus"],
    })
}

#[tokio::test]
async fn broken_requests_and_wrong_versions_are_rejected_by_name() {
    let world = World::new(Handler::default());
    let mut future = request(bridged(), "t1");
    future["version"] = json!(2);
    world.asker_port.put(names::REQUEST, future, Duration::ZERO).await;
    until("the rejection", || !world.room.sent(names::REJECT).is_empty()).await;
    let mut broken = request(bridged(), "t1");
    broken["formats"] = json!("plain-opus");
    world.asker_port.put(names::REQUEST, broken, Duration::ZERO).await;
    until("both rejections", || world.room.sent(names::REJECT).len() == 2).await;
    let rejections = world.room.sent(names::REJECT);
    assert_eq!(rejections[0]["reason"], "unsupported_version");
    assert_eq!(rejections[1]["reason"], "malformed");
    assert!(rejections[1]["text"].as_str().expect("a text").contains("`formats`"));
    assert!(world.calls().is_empty());
}

/// Nothing comes of a request, now or later.
async fn has_no_effect(world: &World, request: Value, age: Duration) {
    let transaction = request["transaction_id"].clone();
    world.asker_port.put(names::REQUEST, request, age).await;
    // What cannot be read is rejected in any case, and tells that the request before it has been looked at.
    let mut broken = self::request(bridged(), "broken");
    broken["formats"] = json!("plain-opus");
    world.asker_port.put(names::REQUEST, broken, Duration::ZERO).await;
    until("the rejection", || !world.room.sent(names::REJECT).is_empty()).await;
    assert!(world.answerer.status().is_empty(), "{}", world.story());
    assert!(world.calls().is_empty());
    let answers = [names::OFFER, names::REJECT, names::CLOSE].map(|kind| world.room.sent(kind));
    let answered = |answer: &Value| answer["transaction_id"] == transaction;
    assert!(!answers.concat().iter().any(answered), "{answers:?}");
}

#[tokio::test]
async fn a_request_that_is_too_old_is_not_answered() {
    let world = World::new(Handler::default());
    has_no_effect(&world, request(bridged(), "old"), Duration::from_mins(5)).await;
}

#[tokio::test]
async fn a_bridge_that_stops_takes_no_more_requests() {
    let world = World::new(Handler::default());
    world.answerer.stop().await;
    has_no_effect(&world, request(bridged(), "late"), Duration::ZERO).await;
}

#[tokio::test]
async fn an_offer_that_nobody_asked_for_is_closed() {
    let (control, [(asker_port, to_asker), (answerer_port, _to_answerer)]) = room();
    let _asker = Asker::start(asker_port, to_asker, endpoint(), settings());
    let channel = Channel {
        id: ChannelId(7),
        epoch: 1,
    };
    let end = End {
        address: "127.0.0.1:9".parse().expect("an address"),
        share: None,
        extensions: Extensions::NONE,
    };
    let offer = Event {
        header: Header {
            room_id: bridged().to_string(),
            transaction_id: TransactionId::new("forgotten").expect("an id"),
            format: Format::PlainOpus,
        },
        body: Body::Offer(Offer { channel, end }),
    };
    answerer_port.put(names::OFFER, offer.to_json(), Duration::ZERO).await;
    until("the close", || !control.sent(names::CLOSE).is_empty()).await;
    let close = &control.sent(names::CLOSE)[0];
    assert_eq!(close["transaction_id"], "forgotten");
    assert_eq!(close["reason"], "unknown_transaction");
}
