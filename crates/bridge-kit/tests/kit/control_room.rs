//! Two bridges, the room in which they talk, and those who would like to join in (requirement S5).

use bridge_kit::channel::Incoming;
use bridge_kit::cli::Role;
use bridge_kit::health::Health;
use bridge_kit::matrix::{MatrixEnd, MatrixFeed};
use serde_json::{Value, json};

use crate::homeserver::{Homeserver, NEWEST};
use crate::{config, eventually, free_port, program, soon};

const ALIAS: &str = "#_vdp_control:hs";
const VOICE: &str = "@voicebot:hs";
const OTHER: &str = "@otherbot:hs";
const STRANGER: &str = "@mallory:hs";

struct Bridge {
    end: MatrixEnd,
    feed: MatrixFeed,
    health: Health,
    port: u16,
}

impl Bridge {
    /// Registers the bridge with the homeserver; returns the port on which it must listen.
    fn register(homeserver: &Homeserver, role: Role) -> u16 {
        let port = free_port();
        let (id, bot) = match role {
            Role::Asks => ("voice", VOICE),
            Role::Answers => ("other", OTHER),
        };
        homeserver.register(id, bot, &format!("http://127.0.0.1:{port}"));
        port
    }

    async fn start(homeserver: &Homeserver, role: Role, port: u16) -> Self {
        let health = Health::new(program("test-bridge", role, "bot"));
        let config = config(role, &homeserver.url(), port);
        let (end, feed) = MatrixEnd::start(&config, role, &health).await.expect("started");
        Self {
            end,
            feed,
            health,
            port,
        }
    }

    /// Ends the bridge at once; returns its port once that is free.
    async fn kill(self) -> u16 {
        let port = self.port;
        drop(self);
        eventually("a free port", || {
            std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
        })
        .await;
        port
    }

    async fn ready(&self) {
        eventually("readiness", || self.health.is_ready()).await;
    }

    async fn say(&self, n: u64) {
        let content = json!({ "n": n });
        soon("a send", self.end.control.send("vdp.channel.request", &content))
            .await
            .expect("sent");
    }

    async fn hear(&mut self) -> Incoming {
        soon("an event of the peer", self.feed.incoming.recv())
            .await
            .expect("an event")
    }

    fn why_not_ready(&self) -> String {
        self.health.readiness()["components"]["control-room"]["text"]
            .as_str()
            .expect("a text")
            .to_owned()
    }
}

/// The room versions that a control room may have.
const VERSIONS: [&str; 3] = ["10", "11", NEWEST];

async fn both() -> (Homeserver, Bridge, Bridge, String) {
    both_in(NEWEST).await
}

/// Both bridges at a homeserver that makes rooms of this version.
async fn both_in(version: &'static str) -> (Homeserver, Bridge, Bridge, String) {
    let homeserver = Homeserver::start().await;
    homeserver.make_rooms_of(version);
    let (voice, other) = (
        Bridge::register(&homeserver, Role::Asks),
        Bridge::register(&homeserver, Role::Answers),
    );
    let voice = Bridge::start(&homeserver, Role::Asks, voice).await;
    let other = Bridge::start(&homeserver, Role::Answers, other).await;
    voice.ready().await;
    other.ready().await;
    let room = homeserver.resolve(ALIAS).expect("a control room");
    (homeserver, voice, other, room)
}

fn mark() -> Value {
    json!({ "version": 1, "asker": VOICE, "answerer": OTHER })
}

#[tokio::test]
async fn the_room_is_made_marked_and_joined_and_both_are_heard() {
    for version in VERSIONS {
        let (homeserver, mut voice, mut other, room) = both_in(version).await;
        let event = homeserver.state(&room, "vdp.control", "").expect("a mark");
        assert_eq!(event["sender"], VOICE);
        let create = homeserver.state(&room, "m.room.create", "").expect("a room has one");
        assert_eq!(create["content"]["room_version"], version);
        assert_eq!(
            (&event["content"]["asker"], &event["content"]["answerer"]),
            (&json!(VOICE), &json!(OTHER))
        );
        assert_eq!(homeserver.membership(&room, OTHER).as_deref(), Some("join"));
        voice.say(1).await;
        assert_eq!(other.hear().await.content["n"], 1);
        other.say(2).await;
        let heard = voice.hear().await;
        assert_eq!(
            (heard.kind.as_str(), &heard.content["n"]),
            ("vdp.channel.request", &json!(2))
        );
    }
}

#[tokio::test]
async fn a_stranger_in_the_room_is_not_heard() {
    let (homeserver, voice, mut other, room) = both().await;
    homeserver.set_member(&room, STRANGER, STRANGER, "join");
    homeserver.send(&room, STRANGER, "vdp.channel.request", json!({ "n": 666 }));
    homeserver.send(&room, VOICE, "m.room.message", json!({ "n": 667 }));
    voice.say(1).await;
    assert_eq!(other.hear().await.content["n"], 1);
}

#[tokio::test]
async fn other_rooms_are_not_heard_whatever_their_mark_says() {
    let (homeserver, voice, mut other, _) = both().await;
    let forged = homeserver.room(STRANGER);
    homeserver.set_member(&forged, VOICE, VOICE, "join");
    homeserver.set_member(&forged, OTHER, OTHER, "join");
    homeserver.set_state(&forged, STRANGER, "vdp.control", "", mark());
    homeserver.send(&forged, VOICE, "vdp.channel.request", json!({ "n": 666 }));
    voice.say(1).await;
    assert_eq!(other.hear().await.content["n"], 1);
    assert_ne!(voice.end.control.room().expect("a room").as_str(), forged);
}

#[tokio::test]
async fn a_damaged_mark_is_mended() {
    for version in VERSIONS {
        let (homeserver, voice, other, room) = both_in(version).await;
        let damaged = json!({ "version": 1, "asker": STRANGER, "answerer": OTHER });
        for (sender, content) in [(STRANGER, mark()), (STRANGER, damaged), (STRANGER, json!({}))] {
            homeserver.set_state(&room, sender, "vdp.control", "", content);
            eventually("a new mark", || {
                let event = homeserver.state(&room, "vdp.control", "").expect("a mark");
                event["sender"] == VOICE && event["content"]["asker"] == VOICE
            })
            .await;
        }
        voice.ready().await;
        other.ready().await;
    }
}

#[tokio::test]
async fn a_peer_that_was_put_out_is_brought_back() {
    let (homeserver, voice, mut other, room) = both().await;
    homeserver.set_member(&room, STRANGER, OTHER, "leave");
    eventually("the peer's return", || {
        homeserver.membership(&room, OTHER).as_deref() == Some("join")
    })
    .await;
    voice.ready().await;
    other.ready().await;
    voice.say(1).await;
    assert_eq!(other.hear().await.content["n"], 1);
}

#[tokio::test]
async fn power_that_was_taken_from_the_peer_is_given_back() {
    for version in VERSIONS {
        let (homeserver, _voice, _other, room) = both_in(version).await;
        // From version 12 on the creator has power without being listed, and must not be.
        let users = if version == NEWEST {
            json!({})
        } else {
            json!({ VOICE: 100 })
        };
        let levels = json!({ "events": { "vdp.channel": 50 }, "events_default": 10, "users": users });
        homeserver.set_state(&room, STRANGER, "m.room.power_levels", "", levels);
        eventually("power", || {
            let levels = homeserver.state(&room, "m.room.power_levels", "").expect("levels");
            levels["content"]["events"]["vdp.channel"] == 0 && levels["content"]["events_default"] == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_room_that_a_tombstone_closes_is_replaced() {
    for version in VERSIONS {
        let (homeserver, mut voice, other, room) = both_in(version).await;
        let content = json!({ "body": "upgraded", "replacement_room": "!elsewhere:hs" });
        homeserver.set_state(&room, STRANGER, "m.room.tombstone", "", content);
        eventually("a new room", || {
            let rooms = [&voice, &other].map(|bridge| bridge.end.control.room());
            matches!(rooms, [Some(one), Some(two)] if one == two && one.as_str() != room)
        })
        .await;
        other.say(1).await;
        assert_eq!(voice.hear().await.content["n"], 1);
    }
}

#[tokio::test]
async fn a_guest_tells_that_a_tombstone_closes_the_room() {
    let (homeserver, voice, other, room) = both().await;
    voice.kill().await;
    homeserver.set_state(&room, VOICE, "m.room.tombstone", "", json!({}));
    eventually("a reason", || other.why_not_ready().contains("a tombstone closes")).await;
    assert_eq!(other.end.control.room(), None, "nothing is sent there any more");
}

#[tokio::test]
async fn a_restarted_bridge_finds_the_room_and_hears_what_it_missed() {
    let (homeserver, voice, other, room) = both().await;
    let port = other.kill().await;
    voice.say(1).await;
    voice.say(2).await;
    let mut other = Bridge::start(&homeserver, Role::Answers, port).await;
    other.ready().await;
    assert_eq!(other.hear().await.content["n"], 1);
    assert_eq!(other.hear().await.content["n"], 2);
    let port = voice.kill().await;
    let voice = Bridge::start(&homeserver, Role::Asks, port).await;
    voice.ready().await;
    assert_eq!(voice.end.control.room().expect("a room").as_str(), room);
    voice.say(3).await;
    assert_eq!(other.hear().await.content["n"], 3);
}

#[tokio::test]
async fn a_room_of_a_stranger_under_the_alias_is_refused_and_replaced() {
    let homeserver = Homeserver::start().await;
    let forged = homeserver.room(STRANGER);
    homeserver.alias(ALIAS, &forged);
    homeserver.set_state(&forged, STRANGER, "vdp.control", "", mark());
    // An invitation that came, and was accepted, before a restart.
    homeserver.set_member(&forged, STRANGER, OTHER, "join");
    let other = Bridge::register(&homeserver, Role::Answers);
    let other = Bridge::start(&homeserver, Role::Answers, other).await;
    eventually("a refusal", || {
        homeserver.membership(&forged, OTHER).as_deref() == Some("leave")
    })
    .await;
    assert!(!other.health.is_ready());
    let voice = Bridge::register(&homeserver, Role::Asks);
    let voice = Bridge::start(&homeserver, Role::Asks, voice).await;
    voice.ready().await;
    other.ready().await;
    assert_ne!(homeserver.resolve(ALIAS), Some(forged));
}

#[tokio::test]
async fn an_invitation_of_a_stranger_to_the_alias_leads_nowhere() {
    let homeserver = Homeserver::start().await;
    let forged = homeserver.room(STRANGER);
    let other = Bridge::register(&homeserver, Role::Answers);
    let other = Bridge::start(&homeserver, Role::Answers, other).await;
    homeserver.set_member(&forged, STRANGER, OTHER, "invite");
    eventually("an answer to the invitation", || {
        homeserver.membership(&forged, OTHER).as_deref() == Some("join")
    })
    .await;
    homeserver.set_state(&forged, STRANGER, "vdp.control", "", mark());
    homeserver.alias(ALIAS, &forged);
    eventually("a reason", || {
        other.why_not_ready().contains("somebody who is not the peer")
    })
    .await;
    homeserver.send(&forged, STRANGER, "vdp.channel.request", json!({ "n": 666 }));
    let voice = Bridge::register(&homeserver, Role::Asks);
    let mut voice = Bridge::start(&homeserver, Role::Asks, voice).await;
    voice.ready().await;
    other.ready().await;
    other.say(1).await;
    assert_eq!(voice.hear().await.content["n"], 1);
    assert_ne!(other.end.control.room().expect("a room").as_str(), forged);
}

#[tokio::test]
async fn the_other_bridge_waits_for_an_invitation() {
    let homeserver = Homeserver::start().await;
    let other = Bridge::register(&homeserver, Role::Answers);
    let other = Bridge::start(&homeserver, Role::Answers, other).await;
    eventually("a reason", || {
        other.why_not_ready().contains("waits for the peer to make")
    })
    .await;
    let room = homeserver.room(VOICE);
    homeserver.alias(ALIAS, &room);
    eventually("a reason", || {
        other.why_not_ready().contains("waits for the peer's invitation")
    })
    .await;
    homeserver.set_member(&room, VOICE, OTHER, "invite");
    eventually("a reason", || {
        other.why_not_ready().contains("waits for the peer to mark")
    })
    .await;
    homeserver.set_state(&room, STRANGER, "vdp.control", "", mark());
    homeserver.set_state(&room, VOICE, "vdp.control", "", mark());
    other.ready().await;
}

#[tokio::test]
async fn a_dead_homeserver_at_start_is_waited_for() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let config = config(Role::Asks, &format!("http://{address}"), free_port());
    let health = Health::new(program("test-bridge", Role::Asks, "voicebot"));
    let (end, _feed) = MatrixEnd::start(&config, Role::Asks, &health).await.expect("started");
    eventually("a reason", || {
        let state = &health.readiness()["components"]["homeserver"];
        state["state"] == "connecting" && state["text"] == "the homeserver cannot be reached"
    })
    .await;
    let homeserver = Homeserver::start_at(&address).await;
    homeserver.register("voice", VOICE, config.appservice.url.as_str().trim_end_matches('/'));
    soon("a connection", end.established()).await.expect("established");
}

#[tokio::test]
async fn a_refused_token_is_told_apart() {
    let homeserver = Homeserver::start().await;
    let bridge = Bridge::start(&homeserver, Role::Asks, free_port()).await;
    let error = soon("a refusal", bridge.end.established()).await.expect_err("an error");
    assert!(error.to_string().starts_with("appservice.as_token: "), "{error}");
}
