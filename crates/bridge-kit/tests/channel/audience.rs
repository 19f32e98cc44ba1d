//! Each side knows whether anybody listens on the other one, and spares itself the work where nobody does.

use signalling::Audience;

use super::*;

const NOBODY: Audience = Audience {
    listening: false,
    bitrate: None,
};

/// What was said of an audience, as often as it was.
fn said(world: &World) -> Vec<bool> {
    let events = world.room.sent(names::AUDIENCE);
    events
        .iter()
        .filter_map(|content| content["listening"].as_bool())
        .collect()
}

/// Says a word a few times, and whether voice packets crossed, as that side's counter tells.
async fn crosses(who: &mut Person, word: u8, sent: impl Fn() -> u64) -> bool {
    let before = sent();
    for _ in 0..10 {
        who.says(word);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent() > before
}

#[tokio::test]
async fn what_nobody_hears_on_the_other_side_is_not_sent_there() {
    let world = World::new(Handler::default());
    let session = world.open().await;
    world.answerer_is("open").await;
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
    assert!(said(&world).is_empty(), "somebody listens, as is to be expected");

    world.handler.audience.send_replace(NOBODY);
    session.set_audience(NOBODY);
    until("both have said so", || said(&world).len() == 2).await;
    // Each has its word only from the other.
    let (asker, answerer) = (|| world.asker.status()[0].sent, || world.answerer.status()[0].sent);
    until_it_does_not_cross(&mut matrix, asker).await;
    until_it_does_not_cross(&mut discord, answerer).await;

    world.handler.audience.send_replace(Audience::UNKNOWN);
    session.set_audience(Audience::UNKNOWN);
    assert!(matrix.is_heard_by(&discord, 3).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 4).await, "{}", world.story());
    assert_eq!(said(&world).len(), 4);
    let status = [world.asker.status(), world.answerer.status()].concat();
    assert!(
        status.iter().all(|status| (status.state, status.epoch) == ("open", 1)),
        "{status:?}"
    );
}

async fn until_it_does_not_cross(who: &mut Person, sent: impl Fn() -> u64) {
    let deadline = Instant::now() + LIMIT;
    while crosses(who, 9, &sent).await {
        assert!(Instant::now() < deadline, "it goes on crossing");
    }
}

#[tokio::test]
async fn an_epoch_begins_with_the_audience_that_there_is() {
    let world = World::new(Handler::default());
    world.handler.audience.send_replace(NOBODY);
    let mut session = world.open().await;
    until("it is told", || said(&world) == [false]).await;
    world.answerer.renew(bridged(), "crashed");
    assert!(matches!(next(&mut session).await, SessionEvent::Broken { .. }));
    assert!(matches!(next(&mut session).await, SessionEvent::Open { epoch: 2, .. }));
    until("it is told again", || said(&world) == [false, false]).await;
    let epochs: Vec<_> = world
        .room
        .sent(names::AUDIENCE)
        .iter()
        .filter_map(|content| content["epoch"].as_u64())
        .collect();
    assert_eq!(epochs, [1, 2]);
}
