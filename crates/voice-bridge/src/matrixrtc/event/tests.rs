use std::time::Duration;

use bridge_kit::matrix::{OwnedUserId, RoomId, UserId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::matrixrtc::testing::{ALICE, event, focus, sticky, user};
use crate::matrixrtc::{Focus, Mode, ROOM_SLOT};

const SENT: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn member(kind: &str, key: Option<&str>, content: Value) -> MemberEvent {
    match RoomFact::from_event(&event(ALICE, kind, key, content, SENT)) {
        Ok(Some(RoomFact::Member(member))) => member,
        other => panic!("{other:?}"),
    }
}

fn state(key: &str, content: Value) -> MemberEvent {
    member("org.matrix.msc3401.call.member", Some(key), content)
}

fn only(event: MemberEvent) -> Membership {
    assert_eq!(event.fault, None);
    let [membership] = event.memberships.try_into().expect("one membership");
    membership
}

/// What matrix-js-sdk writes for Element Call in its modes "legacy" (up to 0.20) and "compatibility" (since 0.21).
fn of_element_call(selection: &str) -> Value {
    json!({
        "application": "m.call", "call_id": "", "scope": "m.room", "device_id": "PHONE",
        "membershipID": "@alice:hs:PHONE", "expires": 14_400_000, "m.call.intent": "video",
        "focus_active": { "type": "livekit", "focus_selection": selection },
        "foci_preferred": [
            { "type": "livekit", "livekit_service_url": "https://one.example/jwt", "livekit_alias": "!room:hs" },
            { "type": "livekit", "livekit_service_url": "https://two.example/jwt", "livekit_alias": "!room:hs" },
        ],
    })
}

#[test]
fn b1_state_memberships_of_element_call_are_read_in_both_modes() {
    for (wire, selection) in [("multi_sfu", Selection::Own), ("oldest_membership", Selection::Oldest)] {
        let event = state("_@alice:hs_PHONE_m.call", of_element_call(wire));
        assert_eq!(event.place, Place::State("_@alice:hs_PHONE_m.call".into()));
        assert_eq!(
            only(event),
            Membership {
                device: "PHONE".into(),
                member_id: "@alice:hs:PHONE".into(),
                kind: Kind::State,
                foci: vec![focus("https://one.example/jwt"), focus("https://two.example/jwt")],
                selection,
                created_ms: SENT,
                expires_ms: SENT + 4 * HOUR_MS,
            }
        );
    }
}

#[test]
fn b1_every_state_key_that_clients_have_used_is_a_place_of_its_own() {
    for key in [
        "_@alice:hs_PHONE_m.call",
        "_@alice:hs_PHONE",
        "@alice:hs_PHONE",
        "@alice:hs",
    ] {
        assert_eq!(only(state(key, of_element_call("multi_sfu"))).device, "PHONE");
    }
}

#[test]
fn b1_the_first_shape_lists_all_devices_of_a_user() {
    let device = |name: &str| {
        json!({
            "application": "m.call", "call_id": "", "scope": "m.room", "device_id": name, "membershipID": name,
            "created_ts": SENT - 5, "expires_ts": SENT + 60, "foci_active": [
                { "type": "livekit", "livekit_service_url": "https://one.example" },
            ],
        })
    };
    let content = json!({ "memberships": [device("A"), { "device_id": 5 }, device("B")] });
    let event = state("@alice:hs", content);
    let devices: Vec<&str> = event.memberships.iter().map(|one| one.device.as_str()).collect();
    assert_eq!(devices, ["A", "B"]);
    let first = &event.memberships[0];
    assert_eq!((first.created_ms, first.expires_ms), (SENT - 5, SENT + 60));
    assert_eq!(
        (first.selection, &first.foci),
        (Selection::Oldest, &vec![focus("https://one.example")])
    );
}

#[test]
fn b1_a_membership_lasts_from_its_beginning_not_from_its_renewal() {
    for (created, expires, over) in [
        (Value::Null, json!(60_000), SENT + 60_000),
        (json!(SENT - 500), json!(60_000), SENT + 59_500),
        (json!(SENT - 500), Value::Null, SENT - 500 + 4 * HOUR_MS),
        (Value::Null, json!(60_000.5), SENT + 60_000),
        (json!(5), json!(u64::MAX), u64::MAX),
    ] {
        let mut content = of_element_call("multi_sfu");
        content["created_ts"] = created;
        content["expires"] = expires;
        assert_eq!(only(state("k", content)).expires_ms, over);
    }
}

#[test]
fn b1_empty_content_is_having_left_with_and_without_a_reason() {
    for content in [
        json!({}),
        json!({ "leave_reason": "m.delayed" }),
        json!({ "memberships": [] }),
    ] {
        let event = state("_@alice:hs_PHONE_m.call", content);
        assert_eq!((event.memberships, event.fault), (vec![], None));
    }
    let left = member(
        "org.matrix.msc4143.rtc.member",
        None,
        json!({ "msc4354_sticky_key": "uuid" }),
    );
    let place = Place::Sticky {
        sender: user(ALICE),
        key: "uuid".into(),
    };
    assert_eq!((left.place, left.memberships, left.fault), (place, vec![], None));
}

#[test]
fn calls_other_than_the_rooms_own_are_not_ours() {
    for (field, value) in [
        ("application", json!("org.game")),
        ("call_id", json!("breakout")),
        ("scope", json!("m.user")),
    ] {
        let mut content = of_element_call("multi_sfu");
        content[field] = value;
        let event = state("k", content);
        assert_eq!((event.memberships, event.fault), (vec![], None), "{field}");
    }
    let mut content = sticky("uuid", "PHONE", "https://one.example");
    content["slot_id"] = json!("m.call#breakout");
    let event = member("org.matrix.msc4143.rtc.member", None, content);
    assert_eq!((event.memberships, event.fault), (vec![], None));
}

#[test]
fn b1_sticky_memberships_are_read_under_all_their_names() {
    let shipped = sticky("uuid", "PHONE", "https://one.example");
    let mut later = shipped.clone();
    later["transports"] = json!({ "published": later["rtc_transports"], "can_subscribe": ["livekit"] });
    later["rtc_transports"].take();
    let mut earlier = shipped.clone();
    earlier["member"] = json!({ "claimed_user_id": ALICE, "claimed_device_id": "PHONE", "id": "uuid" });
    earlier["sticky_key"] = earlier["msc4354_sticky_key"].take();
    for content in [shipped, later, earlier] {
        let event = member("org.matrix.msc4143.rtc.member", None, content);
        let key = "uuid".to_owned();
        assert_eq!(
            event.place,
            Place::Sticky {
                sender: user(ALICE),
                key
            }
        );
        let membership = only(event);
        assert_eq!(
            (membership.device.as_str(), membership.member_id.as_str()),
            ("PHONE", "uuid")
        );
        assert_eq!((membership.kind, membership.selection), (Kind::Sticky, Selection::Own));
        assert_eq!(membership.foci, [focus("https://one.example")]);
        assert_eq!(membership.expires_ms, SENT + HOUR_MS);
    }
}

#[test]
fn broken_memberships_name_the_field_and_take_the_place_of_what_was_there() {
    let long = "x".repeat(256);
    let many = vec![json!({ "type": "livekit" }); 9];
    for (field, value, fault) in [
        ("device_id", Value::Null, EventError::Missing("device_id")),
        ("device_id", json!(5), EventError::Invalid("device_id")),
        ("device_id", json!(long), EventError::TooLong("device_id")),
        ("call_id", Value::Null, EventError::Missing("call_id")),
        ("expires", json!("soon"), EventError::Invalid("expires")),
        ("expires", json!(-1), EventError::Invalid("expires")),
        ("focus_active", json!({}), EventError::Invalid("focus_active")),
        ("foci_preferred", json!({}), EventError::Invalid("foci_preferred")),
        ("foci_preferred", json!(many), EventError::TooLong("foci_preferred")),
    ] {
        let mut content = of_element_call("multi_sfu");
        content[field] = value;
        let event = state("k", content);
        assert_eq!((event.memberships, event.fault), (vec![], Some(fault)));
    }
}

#[test]
fn nobody_speaks_for_another_in_a_sticky_membership() {
    let mut content = sticky("uuid", "PHONE", "https://one.example");
    content["member"]["user_id"] = json!("@mallory:hs");
    let event = member("org.matrix.msc4143.rtc.member", None, content);
    assert_eq!(
        (event.memberships, event.fault),
        (vec![], Some(EventError::Invalid("member")))
    );
}

#[test]
fn sfus_of_other_kinds_are_passed_over() {
    let mut content = of_element_call("multi_sfu");
    content["foci_preferred"] = json!([
        { "type": "full_mesh" }, { "type": "livekit" }, 5,
        { "type": "livekit", "livekit_service_url": "gopher://x" },
        { "type": "livekit", "livekit_service_url": "https://one.example" },
    ]);
    assert_eq!(only(state("k", content)).foci, [focus("https://one.example")]);
}

#[test]
fn a_slot_that_is_not_open_is_closed() {
    for (content, open) in [
        (json!({ "status": "open", "application": { "type": "m.call" } }), true),
        (
            json!({ "status": "closed", "application": { "type": "m.call" } }),
            false,
        ),
        (
            json!({ "status": "open", "application": { "type": "org.game" } }),
            false,
        ),
        (json!({}), false),
    ] {
        let slot = event(ALICE, "org.matrix.msc4143.rtc.slot", Some(ROOM_SLOT), content, SENT);
        assert_eq!(RoomFact::from_event(&slot), Ok(Some(RoomFact::Slot { open })));
    }
    let other = event(ALICE, "org.matrix.msc4143.rtc.slot", Some("m.call#x"), json!({}), SENT);
    assert_eq!(RoomFact::from_event(&other), Ok(None));
}

#[test]
fn b15_the_programs_of_a_room_are_read() {
    let content = json!({ "service_members": ["@bot:hs", 5, "nobody"] });
    let fact = RoomFact::from_event(&event(ALICE, "io.element.functional_members", Some(""), content, SENT));
    assert_eq!(fact, Ok(Some(RoomFact::ServiceMembers([user("@bot:hs")].into()))));
}

#[test]
fn b1_the_sfus_of_a_homeserver_are_read() {
    let list = json!([{ "type": "livekit", "livekit_service_url": "https://one.example/" }, { "type": "x" }]);
    let named = [focus("https://one.example")];
    assert_eq!(transports(&json!({ "rtc_transports": list })), named);
    assert_eq!(well_known(&json!({ "org.matrix.msc4143.rtc_foci": list })), named);
    assert_eq!(transports(&json!({ "rtc_transports": 5 })), Vec::<Focus>::new());
}

fn own(created_ms: Option<u64>) -> Own {
    Own {
        user: user("@bot:hs"),
        device: "VOICEBRIDGE".into(),
        member_id: "uuid".into(),
        focus: focus("https://one.example/jwt"),
        created_ms,
        expires: Duration::from_hours(4),
    }
}

fn placed(mode: Mode) -> Place {
    place(mode, &user("@bot:hs"), "VOICEBRIDGE", "uuid", "12")
}

#[test]
fn b1_the_compatibility_shape_is_written() {
    let room = RoomId::parse("!room:hs").unwrap();
    let place = placed(Mode::Compatibility);
    let joined = own(None).to_event(&place, &room);
    assert_eq!(joined.kind, "org.matrix.msc3401.call.member");
    assert_eq!(joined.state_key.as_deref(), Some("_@bot:hs_VOICEBRIDGE_m.call"));
    assert_eq!(
        joined.content,
        json!({
            "application": "m.call", "call_id": "", "scope": "m.room", "device_id": "VOICEBRIDGE",
            "membershipID": "@bot:hs:VOICEBRIDGE", "expires": 14_400_000, "m.call.intent": "audio",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{
                "type": "livekit", "livekit_service_url": "https://one.example/jwt", "livekit_alias": "!room:hs",
            }],
        })
    );
    assert_eq!(own(Some(5)).to_event(&place, &room).content["created_ts"], 5);
    assert_eq!(leave(&place).content, json!({}));
}

#[test]
fn rooms_whose_keys_belong_to_users_get_keys_without_a_mark() {
    let bot: OwnedUserId = UserId::parse("@bot:hs").unwrap();
    let place = place(Mode::Compatibility, &bot, "D", "uuid", "org.matrix.msc3757.10");
    assert_eq!(place, Place::State("@bot:hs_D_m.call".into()));
}

#[test]
fn b1_what_the_bridge_writes_it_reads() {
    let room = RoomId::parse("!room:hs").unwrap();
    for (mode, kind) in [(Mode::Compatibility, Kind::State), (Mode::Matrix2, Kind::Sticky)] {
        let place = placed(mode);
        let written = own(None).to_event(&place, &room);
        let back = event(
            "@bot:hs",
            written.kind,
            written.state_key.as_deref(),
            written.content,
            SENT,
        );
        let Ok(Some(RoomFact::Member(back))) = RoomFact::from_event(&back) else {
            panic!("unreadable")
        };
        assert_eq!(back.place, place);
        let membership = only(back);
        assert_eq!((membership.kind, membership.device.as_str()), (kind, "VOICEBRIDGE"));
        assert_eq!(membership.foci, [focus("https://one.example/jwt")]);
        let left = leave(&place);
        let left = event("@bot:hs", left.kind, left.state_key.as_deref(), left.content, SENT);
        let Ok(Some(RoomFact::Member(left))) = RoomFact::from_event(&left) else {
            panic!("unreadable")
        };
        assert_eq!((left.place, left.memberships), (place, vec![]));
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|x| json!(x)),
        any::<u64>().prop_map(|x| json!(x)),
        any::<f64>().prop_map(|x| json!(x)),
        ".{0,20}".prop_map(|x| json!(x)),
        Just(json!("m.call")),
        Just(json!("livekit")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|x| json!(x)),
            prop::collection::btree_map(".{0,8}", inner, 0..6).prop_map(|x| json!(x)),
        ]
    })
}

proptest! {
    /// Whatever stands in the fields of a membership, it is read or refused, and never more than was allowed.
    #[test]
    fn strangers_can_write_what_they_like(
        base in 0..4_usize, field in 0..12_usize, value in anything(), sent in any::<u64>(), garbage in anything(),
    ) {
        let list = json!({ "memberships": [of_element_call("multi_sfu"), value] });
        let mut content = [of_element_call("multi_sfu"), sticky("uuid", "D", "https://x"), list, garbage][base].clone();
        let fields = [
            "application", "call_id", "device_id", "expires", "created_ts", "focus_active", "foci_preferred",
            "member", "rtc_transports", "transports", "slot_id", "msc4354_sticky_key",
        ];
        if let Some(object) = content.as_object_mut() {
            object.insert(fields[field].to_owned(), value);
        }
        for (kind, key) in KINDS.iter().flat_map(|kind| [(kind, None), (kind, Some("")), (kind, Some(ROOM_SLOT))]) {
            let read = RoomFact::from_event(&event(ALICE, kind, key, content.clone(), sent));
            if let Ok(Some(RoomFact::Member(event))) = read {
                prop_assert!(event.memberships.len() <= 16);
                prop_assert!(event.memberships.iter().all(|one| one.foci.len() <= 8 && one.device.len() <= 255));
                prop_assert!(event.fault.is_none() || event.memberships.is_empty());
            }
        }
        transports(&content);
        well_known(&content);
    }
}
