//! Links, invitations and notices over real HTTP (requirement S6).

use bridge_kit::cli::Role;
use bridge_kit::health::Health;
use bridge_kit::matrix::{LinkSource, MatrixEnd, MatrixEvent, MatrixFeed, OwnedRoomId, RoomId};
use serde_json::{Value, json};

use crate::homeserver::Homeserver;
use crate::{config, eventually, free_port, program, soon};

const BOT: &str = "@voicebot:hs";
const PEER: &str = "@otherbot:hs";
const ADMIN: &str = "@admin:hs";

async fn start() -> (Homeserver, MatrixEnd, MatrixFeed) {
    let homeserver = Homeserver::start().await;
    let port = free_port();
    homeserver.register("voice", BOT, &format!("http://127.0.0.1:{port}"));
    let health = Health::new(program("test-bridge", Role::Asks, "voicebot"));
    let (end, feed) = MatrixEnd::start(&config(Role::Asks, &homeserver.url(), port), Role::Asks, &health)
        .await
        .expect("started");
    soon("a connection", end.established()).await.expect("established");
    (homeserver, end, feed)
}

fn id(room: &str) -> OwnedRoomId {
    RoomId::parse(room).expect("a room id")
}

fn link(channel: &str) -> Value {
    json!({ "protocol": "discord", "network_id": "g", "channel_id": channel })
}

async fn next_link(feed: &mut MatrixFeed) -> Option<String> {
    loop {
        if let MatrixEvent::Link(change) = soon("a change", feed.events.recv()).await.expect("an event") {
            return change.link.map(|link| link.channel_id);
        }
    }
}

#[tokio::test]
async fn a_link_is_found_followed_and_ends() {
    let (homeserver, end, mut feed) = start().await;
    let room = homeserver.room(ADMIN);
    homeserver.set_member(&room, BOT, BOT, "join");
    homeserver.set_state(&room, ADMIN, "vdp.link", "", link("one"));
    let found = end.links.resolve(&id(&room)).await.expect("an answer").expect("a link");
    assert_eq!(
        (found.channel_id.as_str(), found.source),
        ("one", LinkSource::LinkEvent)
    );
    assert_eq!(found.sender.expect("a sender"), ADMIN);
    assert!(!end.links.is_encrypted(&id(&room)).await.expect("an answer"));

    homeserver.set_state(&room, ADMIN, "vdp.link", "", link("two"));
    assert_eq!(next_link(&mut feed).await.as_deref(), Some("two"));
    // Somebody who is not trusted writes over it: the room is not bridged any more, and not to where he says.
    homeserver.set_state(&room, "@mallory:hs", "vdp.link", "", link("mallory's"));
    assert_eq!(next_link(&mut feed).await, None);
    assert_eq!(
        end.links.untrusted(&id(&room)).await.expect("an answer"),
        ["@mallory:hs"]
    );
    homeserver.set_state(&room, ADMIN, "vdp.link", "", link("three"));
    assert_eq!(next_link(&mut feed).await.as_deref(), Some("three"));
    homeserver.set_state(&room, ADMIN, "vdp.link", "", json!({}));
    assert_eq!(next_link(&mut feed).await, None);
    homeserver.set_state(
        &room,
        ADMIN,
        "m.room.encryption",
        "",
        json!({ "algorithm": "m.megolm.v1.aes-sha2" }),
    );
    let done = homeserver.send(&room, ADMIN, "m.room.message", json!({}));
    loop {
        if let MatrixEvent::Room(event) = soon("an event", feed.events.recv()).await.expect("an event")
            && event.event_id.as_str() == done
        {
            break;
        }
    }
    assert!(end.links.is_encrypted(&id(&room)).await.expect("an answer"));
}

#[tokio::test]
async fn being_put_out_of_a_room_ends_its_link() {
    let (homeserver, end, mut feed) = start().await;
    let room = homeserver.room(ADMIN);
    homeserver.set_member(&room, BOT, BOT, "join");
    homeserver.set_state(&room, ADMIN, "vdp.link", "", link("one"));
    assert!(end.links.resolve(&id(&room)).await.expect("an answer").is_some());
    homeserver.set_member(&room, ADMIN, BOT, "leave");
    assert_eq!(next_link(&mut feed).await, None);
    assert!(end.links.resolve(&id(&room)).await.is_err());
}

#[tokio::test]
async fn invitations_are_answered_by_policy() {
    let (homeserver, _end, _feed) = start().await;
    for (inviter, expected) in [("@anybody:hs", "join"), (PEER, "join"), ("@anybody:elsewhere", "leave")] {
        let room = homeserver.room(inviter);
        homeserver.set_member(&room, inviter, BOT, "invite");
        eventually(inviter, || {
            homeserver.membership(&room, BOT).as_deref() == Some(expected)
        })
        .await;
    }
}

#[tokio::test]
async fn the_other_bridge_is_brought_into_a_bridged_room() {
    let (homeserver, _end, _feed) = start().await;
    let room = homeserver.room(ADMIN);
    homeserver.set_state(&room, ADMIN, "vdp.link", "", link("one"));
    homeserver.set_member(&room, ADMIN, BOT, "invite");
    eventually("an invitation", || {
        homeserver.membership(&room, PEER).as_deref() == Some("invite")
    })
    .await;
}

#[tokio::test]
async fn a_room_where_the_bot_may_not_invite_is_told_once_what_to_do() {
    let (homeserver, end, _feed) = start().await;
    let room = homeserver.room(ADMIN);
    homeserver.forbid_inviting(&room, BOT);
    homeserver.set_member(&room, BOT, BOT, "join");
    for _ in 0..3 {
        assert!(!end.bring_peer(&id(&room)).await.expect("an answer"));
    }
    let notices: Vec<Value> = homeserver
        .timeline(&room)
        .into_iter()
        .filter(|event| event["type"] == "m.room.message")
        .collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["content"]["msgtype"], "m.notice");
    assert!(
        notices[0]["content"]["body"]
            .as_str()
            .expect("a text")
            .contains("/invite @otherbot:hs")
    );
}

#[tokio::test]
async fn a_notice_that_could_not_be_posted_may_be_said_again() {
    let (homeserver, end, _feed) = start().await;
    let room = homeserver.room(ADMIN);
    assert!(end.notices.once(&id(&room), "test", "hello").await.is_err());
    homeserver.set_member(&room, BOT, BOT, "join");
    assert!(end.notices.once(&id(&room), "test", "hello").await.expect("posted"));
    assert!(!end.notices.once(&id(&room), "test", "hello").await.expect("kept quiet"));
    assert!(end.notices.once(&id(&room), "other", "hello").await.expect("posted"));
}
