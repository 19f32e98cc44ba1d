//! Calls of an earlier run, from the timeline that it left behind.

use super::*;

/// A run of the bridge that was in a call with Alice and is gone, and what it left in the room.
struct Crashed {
    caller: Caller,
    /// What Alice's device described last.
    theirs: String,
    past: Vec<RoomEvent>,
}

impl Crashed {
    /// A call that was connected when the bridge was killed.
    async fn in_call(call_id: &str) -> Self {
        let mut desk = Desk::new(Some(Admission::Bridged));
        let mut caller = Caller::new().await;
        let offer = caller.offer(true);
        let mut past = vec![event(ALICE, "m.call.invite", invite(call_id, &offer, Some(BOT)))];
        desk.switchboard.handle(past.first().expect("event"));
        let asked = desk.world.asked().await;
        asked.open().await;
        let answer = desk.world.homeserver.sent("m.call.answer").await;
        caller.accept(answer["answer"]["sdp"].as_str().expect("sdp"));
        past.push(event(BOT, "m.call.answer", answer));
        past.push(event(ALICE, "m.call.select_answer", chosen(call_id)));
        Self {
            caller,
            theirs: offer,
            past,
        }
    }

    fn then(mut self, sender: &str, kind: &str, content: Value) -> Self {
        self.past.push(event(sender, kind, content));
        self
    }

    /// Answers an offer of the run that takes over.
    fn answer(&mut self, desk: &mut Desk, negotiate: &Value) {
        assert_eq!(negotiate["description"]["type"], "offer");
        let sdp = negotiate["description"]["sdp"].as_str().expect("sdp");
        self.theirs = self.caller.answer_anew(sdp);
        desk.send(
            ALICE,
            "m.call.negotiate",
            of_call("c1", &describing("answer", &self.theirs)),
        );
    }

    async fn connected(&mut self, desk: &Desk) {
        let calls = desk.world.calls.clone();
        let phase = || calls.status()[0]["participants"][0]["phase"] == "connected";
        turn_until(&mut self.caller, phase).await;
    }
}

fn chosen(call_id: &str) -> Value {
    of_call(call_id, &json!({"selected_party_id": PARTY}))
}

fn describing(kind: &str, sdp: &str) -> Value {
    json!({"lifetime": 60000, "description": {"type": kind, "sdp": sdp}})
}

fn hangup(call_id: &str) -> Value {
    of_call(call_id, &json!({"reason": "user_hangup"}))
}

#[tokio::test]
async fn b14_a_call_that_was_answered_goes_on_in_the_next_run() {
    let mut crashed = Crashed::in_call("c1").await;
    let mut desk = Desk::new(Some(Admission::Bridged));
    desk.switchboard.catch_up(&crashed.past);
    // The caller is not kept waiting for the channel.
    let negotiate = desk.world.homeserver.sent("m.call.negotiate").await;
    assert_eq!(desk.world.calls.status()[0]["participants"][0]["phase"], "taking over");
    assert_eq!(
        (&negotiate["call_id"], &negotiate["party_id"]),
        (&json!("c1"), &json!(PARTY))
    );
    let asked = desk.world.asked().await;
    asked.open().await;
    crashed.answer(&mut desk, &negotiate);
    crashed.connected(&desk).await;

    let to_discord = Recorder::default();
    let sink = asked.media.add_sink(SinkSpec::new("vdp"), Box::new(to_discord.clone()));
    let packet = vec![0xf8, 0xa1, 0x55, 0xaa];
    crashed.caller.say(&Said {
        opus: packet.clone(),
        sequence: 1,
        time: 0,
        level: 10,
    });
    turn_until(&mut crashed.caller, || to_discord.heard().contains(&packet)).await;

    drop(sink);
    desk.send(ALICE, "m.call.hangup", hangup("c1"));
    asked.closed().await;
    desk.until_idle().await;
    assert!(desk.world.homeserver.take().is_none());
}

#[tokio::test]
async fn b14_a_call_that_was_taken_over_can_be_taken_over_again() {
    let mut crashed = Crashed::in_call("c1").await;
    for _ in 0..2 {
        let mut desk = Desk::new(Some(Admission::Bridged));
        desk.switchboard.catch_up(&crashed.past);
        let negotiate = desk.world.homeserver.sent("m.call.negotiate").await;
        let _asked = desk.world.asked().await;
        crashed.answer(&mut desk, &negotiate);
        crashed.connected(&desk).await;
        let answer = of_call("c1", &describing("answer", &crashed.theirs));
        crashed = crashed
            .then(BOT, "m.call.negotiate", negotiate)
            .then(ALICE, "m.call.negotiate", answer);
    }
}

#[tokio::test]
async fn b14_an_offer_that_the_earlier_run_left_unanswered_is_answered() {
    let mut crashed = Crashed::in_call("c1").await;
    let offer = of_call("c1", &describing("offer", &crashed.caller.offer_restart()));
    let crashed = crashed.then(ALICE, "m.call.negotiate", offer);
    let desk = &mut Desk::new(Some(Admission::Bridged));
    desk.switchboard.catch_up(&crashed.past);
    let negotiate = desk.world.homeserver.sent("m.call.negotiate").await;
    assert_eq!(negotiate["description"]["type"], "answer");
    let sdp = negotiate["description"]["sdp"].as_str().expect("sdp");
    let ours = crashed.past[1].content["sdp_stream_metadata"]
        .as_object()
        .expect("metadata");
    let stream = ours.keys().next().expect("stream");
    assert!(sdp.contains(&format!("a=msid:{stream} ")), "{sdp}");
}

#[tokio::test]
async fn b14_what_the_homeserver_repeats_of_the_past_changes_nothing() {
    let crashed = Crashed::in_call("c1").await;
    let offer = of_call("c1", &describing("offer", &crashed.theirs));
    let answer = json!({"version": "1", "call_id": "c1", "party_id": PARTY,
        "description": {"type": "answer", "sdp": crashed.past[1].content["answer"]["sdp"]}});
    let crashed = crashed
        .then(ALICE, "m.call.negotiate", offer)
        .then(BOT, "m.call.negotiate", answer);
    let mut desk = Desk::new(Some(Admission::Bridged));
    // Before and after: some of it may come while the timeline is still being read.
    for event in &crashed.past[1..] {
        desk.switchboard.handle(event);
    }
    desk.switchboard.catch_up(&crashed.past);
    desk.switchboard.catch_up(&crashed.past);
    for event in &crashed.past {
        desk.switchboard.handle(event);
    }
    let negotiate = desk.world.homeserver.sent("m.call.negotiate").await;
    assert_eq!(negotiate["description"]["type"], "offer");
    assert_eq!(desk.switchboard.calls(), 1);
    desk.send(ALICE, "m.call.hangup", hangup("c1"));
    desk.until_idle().await;
    assert!(
        desk.world.homeserver.take().is_none(),
        "an event of the past had an effect"
    );
}

#[tokio::test]
async fn b14_a_hangup_that_comes_while_the_past_is_read_ends_the_call() {
    let crashed = Crashed::in_call("c1").await;
    let mut desk = Desk::new(Some(Admission::Bridged));
    desk.send(ALICE, "m.call.hangup", hangup("c1"));
    desk.switchboard.catch_up(&crashed.past);
    desk.until_idle().await;
    assert_eq!(desk.world.calls.status(), json!([]));
}

#[tokio::test]
async fn b14_a_refused_channel_hangs_up_the_call_that_was_taken_over() {
    let crashed = Crashed::in_call("c1").await;
    let mut desk = Desk::new(Some(Admission::Bridged));
    desk.switchboard.catch_up(&crashed.past);
    desk.world.homeserver.sent("m.call.negotiate").await;
    let closed = SessionEvent::Closed {
        reason: CloseReason::NoLongerBridged,
        text: "Unlinked.".into(),
        by: Side::Peer,
    };
    desk.world.asked().await.say(closed).await;
    desk.world.homeserver.sent("m.call.hangup").await;
    desk.until_idle().await;
}

#[tokio::test]
async fn b14_after_an_orderly_stop_nothing_is_taken_over() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (_caller, _asked) = connected(&mut desk, "c1").await;
    desk.switchboard.stop(PATIENCE).await;
    let goodbye = desk.world.homeserver.sent("m.call.hangup").await;
    let crashed = Crashed::in_call("c1").await.then(BOT, "m.call.hangup", goodbye);
    let mut next = Desk::new(Some(Admission::Bridged));
    next.switchboard.catch_up(&crashed.past);
    assert_eq!(next.switchboard.calls(), 0);
}

#[tokio::test]
async fn b14_a_call_that_this_run_could_not_hang_up_is_hung_up_later() {
    let crashed = Crashed::in_call("c1").await;
    let mut desk = Desk::new(Some(Admission::Bridged));
    *desk.world.homeserver.refuses.lock().expect("lock") = true;
    desk.switchboard.catch_up(&crashed.past);
    desk.until_idle().await;
    *desk.world.homeserver.refuses.lock().expect("lock") = false;
    desk.switchboard.catch_up(&crashed.past);
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["call_id"], "c1");
    assert_eq!(desk.switchboard.calls(), 0);
}

#[tokio::test]
async fn b2_b14_at_start_living_invites_are_answered_and_what_cannot_go_on_is_hung_up() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let select_other = of_call("taken", &json!({"selected_party_id": "TABLET"}));
    let answer = json!({"version": "1", "call_id": "lost", "party_id": PARTY,
        "answer": {"type": "answer", "sdp": "x"}});
    let past = [
        event(BOT, "m.call.answer", answer),
        event(ALICE, "m.call.invite", invite("taken", "x", None)),
        event(ALICE, "m.call.select_answer", select_other),
        event(ALICE, "m.call.invite", invite("gone", "x", None)),
        event(ALICE, "m.call.hangup", hangup("gone")),
        event("@carol:hs", "m.call.invite", invite("alive", "x", None)),
        event("@bob:hs", "m.call.hangup", hangup("alive")),
    ];
    desk.switchboard.catch_up(&past);
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["call_id"], "lost");
    let _asked = desk.world.asked().await;
    until("one call rings", || {
        desk.world.calls.status()[0]["channel"] == "requested"
    })
    .await;
    assert_eq!(desk.switchboard.calls(), 1);
}
