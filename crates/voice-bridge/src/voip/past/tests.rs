use bridge_kit::matrix::OwnedEventId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::testing::room;

const BOT: &str = "@voicebridge:hs";
const PEER: &str = "@discordbridge:hs";
const ALICE: &str = "@alice:hs";
const BOB: &str = "@bob:hs";
const US: &str = "voice-bridge";

fn identity() -> Identity {
    Identity {
        user_id: BOT.try_into().expect("user"),
        peer: PEER.try_into().expect("user"),
        party_id: US.into(),
    }
}

/// What somebody does in a call, or to the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Invite,
    InviteOf(&'static str),
    Answer,
    Candidates,
    Choose(&'static str),
    Negotiate(&'static str),
    Mute(bool),
    Reject,
    Hangup,
    Leave,
}

use Deed::{Answer, Candidates, Choose, Hangup, Invite, InviteOf, Leave, Mute, Negotiate, Reject};

/// One event: who, on which device, in which call, does what, and a number that tells descriptions apart.
#[derive(Debug, Clone, Copy)]
struct Step {
    sender: &'static str,
    party: &'static str,
    call: &'static str,
    deed: Deed,
    number: u32,
}

impl Step {
    fn event(&self) -> RoomEvent {
        let (kind, content) = self.content();
        RoomEvent {
            room_id: room(),
            event_id: OwnedEventId::try_from(format!("${}", self.number)).expect("event id"),
            sender: self.sender.try_into().expect("user id"),
            kind: kind.into(),
            state_key: (self.deed == Leave).then(|| self.sender.into()),
            content,
            origin_server_ts: 0,
            age_ms: Some(1000),
            received: tokio::time::Instant::now(),
        }
    }

    fn content(&self) -> (&'static str, Value) {
        let sdp = self.sdp();
        let metadata = |muted: bool| json!({"s": {"purpose": "m.usermedia", "audio_muted": muted}});
        let (kind, more) = match self.deed {
            Invite => ("m.call.invite", json!({"offer": {"type": "offer", "sdp": sdp}})),
            InviteOf(user) => (
                "m.call.invite",
                json!({"offer": {"type": "offer", "sdp": sdp}, "invitee": user}),
            ),
            Answer => ("m.call.answer", json!({"answer": {"type": "answer", "sdp": sdp}})),
            Candidates => ("m.call.candidates", json!({"candidates": []})),
            Choose(party) => ("m.call.select_answer", json!({"selected_party_id": party})),
            Negotiate(kind) => ("m.call.negotiate", json!({"description": {"type": kind, "sdp": sdp}})),
            Mute(muted) => (
                "m.call.sdp_stream_metadata_changed",
                json!({"sdp_stream_metadata": metadata(muted)}),
            ),
            Reject => ("m.call.reject", json!({})),
            Hangup => ("m.call.hangup", json!({})),
            Leave => return ("m.room.member", json!({"membership": "leave"})),
        };
        let mut content = json!({"version": "1", "call_id": self.call, "party_id": self.party});
        let fields = content.as_object_mut().expect("object");
        fields.extend(more.as_object().expect("object").clone());
        (kind, content)
    }

    fn sdp(&self) -> String {
        format!("description {}", self.number)
    }

    fn describes(&self) -> bool {
        matches!(self.deed, Invite | InviteOf(_) | Answer | Negotiate(_))
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let deeds = [
        Invite,
        InviteOf(BOT),
        InviteOf(BOB),
        Answer,
        Candidates,
        Choose(US),
        Choose("TABLET"),
        Negotiate("offer"),
        Negotiate("answer"),
        Mute(true),
        Reject,
        Hangup,
        Leave,
    ];
    // Most of what happens is part of one call, so that many of the stretches hold a call that goes on.
    let who = prop_oneof![
        4 => Just((ALICE, "PHONE")),
        4 => Just((BOT, US)),
        1 => select(vec![(ALICE, "TABLET"), (BOB, "PHONE"), (PEER, "PEER"), (BOT, "other-run")]),
    ];
    let call = prop_oneof![5 => Just("c1"), 1 => Just("c2")];
    (who, call, select(deeds.to_vec())).prop_map(|((sender, party), call, deed)| Step {
        sender,
        party,
        call,
        deed,
        number: 0,
    })
}

fn numbered(steps: Vec<Step>) -> Vec<Step> {
    let number = |(number, step): (u32, Step)| Step { number, ..step };
    (0..).zip(steps).map(number).collect()
}

fn taken_over(steps: &[Step]) -> Vec<(String, Inherited)> {
    let events: Vec<RoomEvent> = steps.iter().map(Step::event).collect();
    let past = Past::read(&identity(), &events);
    let inherited = past.orphans().filter_map(|orphan| orphan.inherited);
    inherited.map(|(key, inherited)| (key.call_id, inherited)).collect()
}

/// What a reader of the timeline would say against taking a call over, found by looking for each end by itself.
fn objection(steps: &[Step], call: &str) -> Option<&'static str> {
    let of_call = |step: &&Step| step.call == call && step.deed != Leave;
    let is_invite = |step: &Step| matches!(step.deed, Invite | InviteOf(BOT)) && ![BOT, PEER].contains(&step.sender);
    let Some(placed) = steps.iter().position(|step| of_call(&step) && is_invite(step)) else {
        return Some("nobody placed it");
    };
    let caller = steps[placed];
    let is_caller = |step: &&Step| (step.sender, step.party) == (caller.sender, caller.party);
    let later = || steps.iter().skip(placed + 1);
    let ours = || steps.iter().filter(of_call).filter(|step| step.sender == BOT);
    if ours().any(|step| matches!(step.deed, Hangup | Reject)) {
        return Some("we ended it");
    }
    if !ours().any(|step| matches!(step.deed, Answer | Negotiate(_))) {
        return Some("we never answered it");
    }
    if later()
        .filter(of_call)
        .filter(is_caller)
        .any(|step| matches!(step.deed, Hangup | Reject))
    {
        return Some("the caller ended it");
    }
    if later()
        .filter(of_call)
        .filter(is_caller)
        .any(|step| step.deed == Choose("TABLET"))
    {
        return Some("it was answered elsewhere");
    }
    if !steps.iter().filter(of_call).any(|step| step.deed == Choose(US)) {
        return Some("the caller did not choose us");
    }
    if later().any(|step| step.deed == Leave && [caller.sender, BOT].contains(&step.sender)) {
        return Some("somebody left");
    }
    if later().any(|step| is_caller(&step) && step.call != call && is_invite(step)) {
        return Some("the device placed another call");
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn b14_a_call_that_is_over_is_never_taken_over(steps in vec(any_step(), 0..14)) {
        let steps = numbered(steps);
        for length in 0..=steps.len() {
            let steps = &steps[..length];
            for (call, inherited) in taken_over(steps) {
                prop_assert_eq!(objection(steps, &call), None, "{}", call);
                let is_ours = |step: &&Step| step.sender == BOT && matches!(step.deed, Answer | Negotiate(_));
                let mut said = steps.iter().rev().filter(|step| step.call == call);
                let ours = said.find(is_ours).expect("ours");
                prop_assert_eq!(inherited.ours, ours.sdp());
                prop_assert_eq!(ours.party, US);
            }
        }
    }

    #[test]
    fn b14_a_call_goes_on_whatever_others_do(
        noise in vec((1..8_usize, select(vec![(ALICE, "TABLET"), (BOB, "PHONE")]), any_step()), 0..10),
    ) {
        let alice = |deed| step(ALICE, "PHONE", deed);
        let us = |deed| step(BOT, US, deed);
        let mut steps = vec![
            alice(Invite), us(Answer), alice(Candidates), alice(Choose(US)),
            alice(Mute(true)), alice(Negotiate("offer")), us(Negotiate("answer")),
        ];
        for (place, (sender, party), what) in noise {
            // Nobody but Alice's phone says anything that counts, and a rejection counts before the answer only.
            let harmless = what.deed != Leave && (what.deed != Reject || place > 1);
            let at = place.max(2) + steps.len() - 7;
            if harmless {
                steps.insert(at, Step { sender, party, ..what });
            }
        }
        let steps = numbered(steps);
        let taken = taken_over(&steps);
        let described = |sender: &str, party: &str| {
            let mut last = steps.iter().rev().filter(|step| step.call == "c1" && step.describes());
            last.find(|step| (step.sender, step.party) == (sender, party)).expect("description").sdp()
        };
        let call = taken.iter().find(|(call, _)| call == "c1").map(|(_, inherited)| inherited);
        let call = call.expect("the call goes on");
        prop_assert_eq!(&call.theirs, &described(ALICE, "PHONE"));
        prop_assert_eq!(&call.ours, &described(BOT, US));
        prop_assert_eq!((call.muted, call.unanswered), (true, false));
    }
}

fn step(sender: &'static str, party: &'static str, deed: Deed) -> Step {
    Step {
        sender,
        party,
        call: "c1",
        deed,
        number: 0,
    }
}

/// A call that Alice placed, that we answered and that she took.
fn in_call(more: &[Step]) -> Vec<Step> {
    let mut steps = vec![
        step(ALICE, "PHONE", Invite),
        step(BOT, US, Answer),
        step(ALICE, "PHONE", Choose(US)),
    ];
    steps.extend(more);
    numbered(steps)
}

#[test]
fn b14_what_was_described_last_is_inherited() {
    let offer = step(ALICE, "PHONE", Negotiate("offer"));
    let answer = step(ALICE, "PHONE", Negotiate("answer"));
    let (our_offer, our_answer) = (step(BOT, US, Negotiate("offer")), step(BOT, US, Negotiate("answer")));
    for (more, theirs, unanswered, ours) in [
        (vec![], 0, false, 1),
        (vec![offer], 3, true, 1),
        (vec![offer, our_answer], 3, false, 4),
        (vec![our_offer], 0, false, 3),
        (vec![our_offer, answer], 4, false, 3),
        // A glare: the caller's offer stands, and still waits for an answer.
        (vec![our_offer, offer], 4, true, 3),
        (vec![offer, our_offer], 3, true, 4),
    ] {
        let taken = taken_over(&in_call(&more));
        let [(_, inherited)] = &taken[..] else {
            panic!("{more:?}: {taken:?}")
        };
        assert_eq!(inherited.theirs, format!("description {theirs}"), "{more:?}");
        assert_eq!(inherited.ours, format!("description {ours}"), "{more:?}");
        assert_eq!(inherited.unanswered, unanswered, "{more:?}");
        assert_eq!(inherited.parties.party_id.as_deref(), Some("PHONE"));
    }
}

#[test]
fn b14_ancient_calls_and_old_clients_are_not_taken_over() {
    let mut events: Vec<RoomEvent> = in_call(&[]).iter().map(Step::event).collect();
    let taken = |events: &[RoomEvent]| {
        let orphans: Vec<Orphan> = Past::read(&identity(), events).orphans().collect();
        assert_eq!(orphans.len(), 1, "it still has to be hung up");
        orphans.iter().any(|orphan| orphan.inherited.is_some())
    };
    assert!(taken(&events));
    events[0].age_ms = Some(24 * 3600 * 1000);
    assert!(!taken(&events));
    events[0].age_ms = Some(24 * 3600 * 1000 - 60_000);
    assert!(taken(&events));
    events[0].content["version"] = json!(0);
    assert!(!taken(&events));
}
