//! A side that was killed and is started again, and a voice channel that was lost (S10, B14).

use std::sync::Arc;
use std::time::Duration;

use bridge_kit::channel::{Answerer, Asker, BrokenReason, Refusal, RejectReason, Session, SessionEvent, Settings};
use serde_json::json;
use signalling::{ChannelRecord, Timing, names};

use super::{Handler, Of, Shared, World, bridged, endpoint, next, sealed, settings, until};

impl World {
    /// The asking side is killed, its calls with it, and started again.
    fn asker_is_killed(&mut self, session: Session, settings: Settings) {
        self.room.kill(Of::Asker);
        drop(session);
        let (port, incoming) = self.room.enter(Of::Asker);
        self.asker = Asker::start(port, incoming, endpoint(), settings);
    }

    fn answerer_is_killed(&mut self) {
        self.room.kill(Of::Answerer);
        self.answerer = {
            let (port, incoming) = self.room.enter(Of::Answerer);
            let shared = Shared(Arc::clone(&self.handler));
            Answerer::start(port, incoming, endpoint(), shared, sealed(None))
        };
    }

    fn record(&self) -> Option<ChannelRecord> {
        let record = self.room.record(bridged().as_str())?;
        ChannelRecord::from_json(&record).expect("readable")
    }
}

fn world() -> World {
    World::with(Handler::default(), sealed(None), sealed(None))
}

#[tokio::test]
async fn b14_a_restarted_answering_side_is_asked_again_at_once() {
    let mut world = world();
    let mut session = world.open().await;
    until("the record", || world.record().is_some()).await;
    world.answerer_is_killed();
    let event = next(&mut session).await;
    assert!(
        matches!(&event, SessionEvent::Broken { reason, .. } if *reason == BrokenReason::UnknownChannel),
        "before the silence was noticed: {event:?}"
    );
    assert!(matches!(next(&mut session).await, SessionEvent::Open { epoch: 2, .. }));
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
    until("the new record", || {
        world.record().is_some_and(|record| record.channel.epoch == 2)
    })
    .await;
}

#[tokio::test]
async fn b14_what_nobody_asks_for_again_is_forgotten() {
    let mut world = world();
    let session = world.open().await;
    until("the record", || world.record().is_some()).await;
    world.room.kill(Of::Asker);
    drop(session);
    world.answerer_is_killed();
    until("no record", || world.room.record(bridged().as_str()) == Some(json!({}))).await;
    assert!(world.answerer.status().is_empty());
}

#[tokio::test]
async fn b14_a_restarted_asking_side_takes_its_channel_over_and_the_voice_channel_is_not_left() {
    let mut world = world();
    let session = world.open().await;
    until("the record", || world.record().is_some()).await;
    world.asker_is_killed(session, sealed(None));
    world.answerer_is("broken").await;
    // By now the answering side has said so, and offers the next epoch of a transaction that nobody knows any more.
    until("an offer", || world.room.sent(names::OFFER).len() > 1).await;
    let mut session = world.ask();
    assert!(matches!(next(&mut session).await, SessionEvent::Open { .. }));
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
    assert_eq!(world.calls(), ["opened"], "the voice channel was not left");
}

#[tokio::test]
async fn b14_a_call_that_does_not_go_on_is_closed_by_the_restarted_asking_side() {
    let mut world = world();
    let session = world.open().await;
    until("the record", || world.record().is_some()).await;
    let timing = Timing {
        resume_within: Duration::from_millis(200),
        ..settings().timing
    };
    world.asker_is_killed(session, Settings { timing, ..sealed(None) });
    until("the voice channel is left", || {
        world.calls() == ["opened", "unknown_transaction"]
    })
    .await;
    until("no record", || world.room.record(bridged().as_str()) == Some(json!({}))).await;
}

#[tokio::test]
async fn s10_a_lost_voice_channel_is_entered_anew() {
    let world = world();
    let mut session = world.open().await;
    world.answerer.renew(bridged(), "the voice server crashed");
    let event = next(&mut session).await;
    let SessionEvent::Broken { reason, text } = event else {
        panic!("{event:?}")
    };
    assert_eq!((reason, &*text), (BrokenReason::VoiceLost, "the voice server crashed"));
    assert!(matches!(next(&mut session).await, SessionEvent::Open { epoch: 2, .. }));
    assert_eq!(world.calls(), ["opened", "to be renewed", "opened"]);
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
}

#[tokio::test]
async fn s10_a_voice_channel_that_may_not_be_entered_again_closes_with_the_reason() {
    let world = world();
    let mut session = world.open().await;
    *world.handler.refuse.lock().expect("a lock") =
        Some(Refusal::new(RejectReason::NoPermission, "CONNECT is missing"));
    world.answerer.renew(bridged(), "thrown out");
    assert!(matches!(next(&mut session).await, SessionEvent::Broken { .. }));
    let event = next(&mut session).await;
    let SessionEvent::Closed { reason, text, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!((reason.code(), &*text), ("no_permission", "CONNECT is missing"));
    assert_eq!(world.calls(), ["opened", "to be renewed"], "left once");
    world.nothing_is_left().await;
}
