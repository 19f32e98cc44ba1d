//! Who counts, who is heard, and where.

use super::*;
use crate::matrixrtc::identity::{hashed, spelled_out};

#[test]
fn b15_programs_bring_nobody_and_keep_nobody() {
    let mut room = room(vec![RoomFact::ServiceMembers([user("@helper:hs")].into())]);
    room.fact(here("@music:other")).does(&[]);
    room.fact(here("@helper:hs")).does(&[]);
    room.fact(here(BOT)).does(&[]);
    assert_eq!(room.machine.callers(), 0);
    let mut room = room.present_beside_programs();
    room.fact(gone(ALICE)).pass(LINGER);
    assert!(room.last.contains(&Action::Leave), "{:?}", room.last);
}

impl Room {
    fn present_beside_programs(mut self) -> Self {
        self.fact(here(ALICE)).step(Input::Focus(Some(focus(SFU))));
        self.step(Input::LeaveScheduled(Ok(Some("d1".into()))))
            .step(Input::Joined(Ok(id("$join"))));
        self
    }
}

#[test]
fn b15_programs_are_heard_while_people_are_there() {
    let mut room = room(vec![here_at("@music:hs", "D", "https://two.example", UNIX_MS)]).present_beside_programs();
    assert_eq!(
        room.connections().expect("connected").others,
        [focus("https://two.example")].into()
    );
    room.fact(gone("@music:hs"));
    assert_eq!(room.machine.callers(), 1);
}

#[test]
fn s8_without_a_channel_the_bridge_leaves_and_stays_out_until_there_is_one() {
    let mut room = room(vec![]).present();
    room.step(Input::Bridged(false));
    assert!(room.last.contains(&Action::Leave) && room.last.contains(&Action::Connect(None)));
    room.step(Input::Left(Ok(())));
    room.fact(here(BOB)).pass(EXPIRES / 2).does(&[]);
    assert_eq!(room.machine.callers(), 2, "they are there all the same");
    room.step(Input::Bridged(true));
    assert!(matches!(room.last[..], [Action::FindFocus { .. }]), "{:?}", room.last);
    room.step(Input::Bridged(false))
        .step(Input::Focus(Some(focus(SFU))))
        .does(&[]);
}

#[test]
fn b1_somebody_who_leaves_the_room_leaves_its_call() {
    let mut room = room(vec![]).present();
    room.step(Input::MemberLeft(user(ALICE))).pass(LINGER);
    assert!(room.last.contains(&Action::Leave), "{:?}", room.last);
}

#[test]
fn b1_who_leaves_the_call_is_heard_a_moment_longer_and_who_leaves_the_room_is_not() {
    let mut room = room(vec![]).present();
    room.fact(here_at(BOB, "PHONE", "https://two.example", UNIX_MS));
    let both = |room: &Room| room.machine.shown.participants.len() == 2;
    assert!(both(&room));
    // A homeserver that was away takes him out, and he joins again: nothing happens to his voice.
    room.fact(gone(BOB)).does(&[]);
    assert_eq!(room.machine.callers(), 1);
    room.fact(here_at(BOB, "PHONE", "https://two.example", UNIX_MS + 1))
        .does(&[]);
    room.fact(gone(BOB)).pass(Duration::from_secs(9));
    assert!(both(&room), "{:?}", room.last);
    room.pass(Duration::from_secs(2));
    assert!(!both(&room));
    assert!(room.last.contains(&connect_to(SFU, &[])), "{:?}", room.last);

    room.fact(here_at(BOB, "PHONE", "https://two.example", UNIX_MS + 2))
        .fact(gone(BOB));
    assert!(both(&room));
    room.step(Input::MemberLeft(user(BOB)));
    assert!(!both(&room), "{:?}", room.last);
}

#[test]
fn b1_a_membership_that_nobody_renews_ends_by_itself() {
    let mut room = room(vec![]).present();
    assert_eq!(room.machine.callers(), 1);
    room.pass(EXPIRES);
    assert_eq!(room.machine.callers(), 0);
    let old = UNIX_MS - u64::try_from(EXPIRES.as_millis()).unwrap();
    assert_eq!(
        super::room(vec![here_at(ALICE, "PHONE", SFU, old)]).machine.callers(),
        0
    );
}

#[test]
fn a_closed_slot_is_a_call_without_people() {
    let mut room = room(vec![]).present();
    room.fact(RoomFact::Slot { open: false }).pass(LINGER);
    assert!(room.last.contains(&Action::Leave), "{:?}", room.last);
    room.step(Input::Left(Ok(()))).fact(RoomFact::Slot { open: true });
    assert!(matches!(room.last[..], [Action::FindFocus { .. }]), "{:?}", room.last);
}

#[test]
fn b1_every_sfu_that_members_publish_on_is_joined() {
    let mut room = room(vec![]).present();
    room.fact(here_at(BOB, "PC", "https://two.example", UNIX_MS));
    assert_eq!(room.last.last(), Some(&connect_to(SFU, &["https://two.example"])));
    room.fact(here_at("@carol:hs", "PC", SFU, UNIX_MS));
    assert!(matches!(room.last[..], [Action::Participants(_)]), "{:?}", room.last);
    room.step(Input::MemberLeft(user(BOB)));
    assert_eq!(room.last.last(), Some(&connect_to(SFU, &[])));
}

#[test]
fn b1_members_without_a_choice_publish_where_the_oldest_does() {
    let oldest = member(BOB, "PC", "https://old.example", "oldest_membership", UNIX_MS - 5);
    let younger = member(ALICE, "PHONE", SFU, "oldest_membership", UNIX_MS);
    let room = room(vec![younger, oldest]);
    room.does(&[Action::FindFocus {
        offered: vec![focus("https://old.example")],
    }]);
}

#[test]
fn no_number_of_sfus_is_too_many_to_name() {
    let facts = (0..50).map(|n| here_at(&format!("@u{n}:hs"), "D", &format!("https://s{n}.example"), UNIX_MS));
    let mut room = room(facts.collect());
    room.step(Input::Focus(Some(focus(SFU))));
    room.step(Input::LeaveScheduled(Ok(None)))
        .step(Input::Joined(Ok(id("$join"))));
    assert_eq!(room.connections().expect("connected").others.len(), MAX_FOCI);
}

#[test]
fn a_flood_of_memberships_is_bounded_and_spares_the_bridges_own() {
    let facts = (0..600).map(|n| here_at(ALICE, &format!("D{n}"), SFU, UNIX_MS));
    let mut room = room(facts.collect());
    assert_eq!(room.machine.callers(), 512);
    room.step(Input::Focus(Some(focus(SFU))))
        .step(Input::LeaveScheduled(Ok(Some("d1".into()))));
    let own = room.join();
    room.step(Input::Joined(Ok(id("$join"))))
        .echo(&own, &id("$join"))
        .echo_gone();
    assert!(matches!(
        room.last[..],
        [Action::CancelLeave { .. }, Action::ScheduleLeave { .. }]
    ));
}

#[test]
fn b1_people_are_known_by_the_identity_that_their_kind_of_membership_gives() {
    let mut room = room(vec![]).present_beside_programs();
    let plain = spelled_out(ALICE, "PHONE");
    assert_eq!(participants(&room)[0].identities, std::slice::from_ref(&plain));
    // The same device by both kinds of event is one participant, by the later kind.
    room.fact(alices_sticky(SFU));
    let people = participants(&room);
    assert_eq!(people.len(), 1);
    let secret = hashed(ALICE, "PHONE", "uuid-a");
    assert_eq!(people[0].identities, [secret, plain, "uuid-a".into()]);
    assert_eq!(
        (people[0].member_id.as_str(), &people[0].foci),
        ("uuid-a", &vec![focus(SFU)])
    );
}

#[test]
fn nobody_passes_for_another_by_his_members_id() {
    let mut content = sticky("@bob:hs:PHONE", "PHONE", SFU);
    content["msc4354_sticky_key"] = json!("k");
    let forged = read(&event(ALICE, "org.matrix.msc4143.rtc.member", None, content, UNIX_MS));
    let room = room(vec![forged]).present_beside_programs();
    let identities = &participants(&room)[0].identities;
    assert!(!identities.contains(&"@bob:hs:PHONE".to_owned()), "{identities:?}");
}

fn participants(room: &Room) -> Vec<Participant> {
    room.machine.shown.participants.clone()
}
