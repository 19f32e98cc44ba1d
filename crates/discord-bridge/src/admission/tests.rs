use std::num::NonZeroU64;

use super::*;
use crate::gateway::facts::{ChannelId, GuildId, Permissions};

fn id(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

fn user(number: u64) -> UserId {
    UserId(id(number))
}

fn at() -> VoiceChannel {
    VoiceChannel {
        guild: GuildId(id(1)),
        channel: ChannelId(id(2)),
    }
}

/// A voice channel with two people in it, which the bot may join.
fn facts() -> ChannelFacts {
    ChannelFacts {
        at: at(),
        name: "General".to_owned(),
        kind: ChannelKind::Voice,
        afk: false,
        permissions: Permissions {
            view: true,
            connect: true,
            speak: true,
            exceed_limit: false,
        },
        user_limit: 0,
        bitrate: None,
        members: vec![user(10), user(11)],
    }
}

const IDLE: Load = Load {
    joined: 0,
    max: 2,
    overload: None,
};

fn with(change: impl FnOnce(&mut ChannelFacts)) -> Place {
    let mut facts = facts();
    change(&mut facts);
    Place::Known(facts)
}

#[test]
fn an_ordinary_channel_is_joined() {
    assert_eq!(admit(&with(|_| ()), &Commitments::default(), IDLE, &[]), Ok(at()));
}

/// S8: each reason by its cause, with words that say which.
#[test]
fn every_refusal_has_its_cause() {
    use RejectReason::{AtCapacity, DiscordLimit, NoCapability, NoPermission, NotBridged};
    let none = Commitments::default;
    let full = Load { joined: 2, ..IDLE };
    let late = Load {
        overload: Some(Overload { late_percent: 34 }),
        ..IDLE
    };
    let cases: [(Place, Commitments, Load, RejectReason, &str); 16] = [
        (Place::Offline, none(), IDLE, DiscordLimit, "no connection"),
        (Place::UnavailableGuild, none(), IDLE, DiscordLimit, "outage"),
        (Place::UnknownGuild, none(), IDLE, NoCapability, "not a member"),
        (Place::UnknownChannel, none(), IDLE, NotBridged, "does not exist"),
        (Place::HiddenChannel, none(), IDLE, NoPermission, "“View Channel”"),
        (
            with(|f| f.kind = ChannelKind::Text),
            none(),
            IDLE,
            NoCapability,
            "not a voice channel",
        ),
        (
            with(|f| f.kind = ChannelKind::Stage(Floor::Closed)),
            none(),
            IDLE,
            DiscordLimit,
            "ask to speak",
        ),
        (with(|f| f.afk = true), none(), IDLE, NoCapability, "away"),
        (
            with(|f| f.permissions.connect = false),
            none(),
            IDLE,
            NoPermission,
            "“Connect”",
        ),
        (
            with(|f| f.permissions.view = false),
            none(),
            IDLE,
            NoPermission,
            "“View Channel”",
        ),
        (
            with(|f| f.permissions.speak = false),
            none(),
            IDLE,
            NoPermission,
            "“Speak”",
        ),
        (
            with(|_| ()),
            Commitments { taken: true, ..none() },
            IDLE,
            NotBridged,
            "another Matrix room",
        ),
        (
            with(|f| f.members.push(user(99))),
            none(),
            IDLE,
            NotBridged,
            "another bridge",
        ),
        (
            with(|_| ()),
            Commitments {
                elsewhere: Some("Lobby".into()),
                ..none()
            },
            IDLE,
            DiscordLimit,
            "“Lobby”",
        ),
        (with(|f| f.user_limit = 1), none(), full, AtCapacity, "2 voice channels"),
        (with(|f| f.user_limit = 1), none(), late, AtCapacity, "late to 34 %"),
    ];
    for (place, commitments, load, reason, words) in cases {
        let refusal = admit(&place, &commitments, load, &[user(99)]).expect_err(words);
        assert_eq!(refusal.reason, reason, "{place:?}");
        let may_pass = matches!(reason, AtCapacity | DiscordLimit);
        assert_eq!(refusal.retry_after.is_some(), may_pass, "{place:?}");
        assert!(refusal.text.contains(words), "{:?} says {words:?}", refusal.text);
    }
}

#[test]
fn a_stage_is_joined_where_the_bot_may_come_to_speak() {
    for floor in [Floor::Free, Floor::OnRequest] {
        let stage = with(|facts| facts.kind = ChannelKind::Stage(floor));
        assert_eq!(admit(&stage, &Commitments::default(), IDLE, &[]), Ok(at()), "{floor:?}");
    }
}

#[test]
fn a_full_channel_is_refused_unless_the_bot_may_exceed_the_limit() {
    let limited = |members: u64, limit, exceed_limit| {
        with(|facts| {
            facts.members = (10..10 + members).map(user).collect();
            facts.user_limit = limit;
            facts.permissions.exceed_limit = exceed_limit;
        })
    };
    let admit = |place| admit(&place, &Commitments::default(), IDLE, &[]).map_err(|refusal| refusal.reason);
    assert_eq!(admit(limited(2, 2, false)), Err(RejectReason::DiscordLimit));
    assert_eq!(admit(limited(1, 2, false)), Ok(at()));
    assert_eq!(admit(limited(2, 2, true)), Ok(at()));
    assert_eq!(admit(limited(99, 0, false)), Ok(at()), "0 is no limit");
}

#[test]
fn every_missing_permission_is_named() {
    let place = with(|facts| {
        facts.permissions = Permissions {
            view: true,
            connect: false,
            speak: false,
            exceed_limit: true,
        };
    });
    let refusal = admit(&place, &Commitments::default(), IDLE, &[]).unwrap_err();
    assert!(refusal.text.contains("“Connect” and “Speak”"), "{}", refusal.text);
}

/// Discord tells a bot of a channel that it may not see, under a name that says nothing.
#[test]
fn a_channel_that_cannot_be_seen_is_not_called_by_its_name() {
    let place = with(|facts| {
        facts.name = "___hidden___".to_owned();
        facts.permissions.view = false;
        facts.permissions.connect = false;
    });
    let refusal = admit(&place, &Commitments::default(), IDLE, &[]).unwrap_err();
    let of_hidden = admit(&Place::HiddenChannel, &Commitments::default(), IDLE, &[]).unwrap_err();
    assert_eq!((refusal.reason, refusal.text), (of_hidden.reason, of_hidden.text));
}

#[test]
fn joins_are_limited_a_minute_and_the_refusal_says_when_to_come_back() {
    let start = Instant::now();
    let mut budget = JoinBudget::default();
    for n in 0..JoinBudget::PER_WINDOW as u64 {
        budget.take(start + Duration::from_millis(n)).unwrap();
    }
    let refusal = budget.take(start + Duration::from_secs(20)).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.retry_after),
        (RejectReason::DiscordLimit, Some(Duration::from_secs(40)))
    );
    budget.take(start + Duration::from_mins(1)).unwrap();
}
