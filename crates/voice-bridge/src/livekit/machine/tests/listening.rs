//! A session without a voice of its own.

use super::*;

fn offer() -> FromServer {
    FromServer::Offer(Description {
        id: 1,
        sdp: "their offer".into(),
    })
}

/// One that hears others.
fn listening() -> Bench {
    let mut bench = Bench::with(None);
    bench.input(Input::Opened);
    bench.message(welcome("PA_me"));
    bench.message(offer());
    bench.path(Side::Subscriber, PathState::Up);
    bench.pong();
    bench
}

#[test]
fn b1_who_only_listens_publishes_nothing() {
    let mut bench = listening();
    let actions = bench.take();
    assert!(!actions.iter().any(|action| matches!(action, Action::Offer { .. })));
    assert!(actions.contains(&Action::Tell(Event::Connected)));
    bench.actions = actions;
    let published = |message: &ToServer| matches!(message, ToServer::Publish(_) | ToServer::Offer(_));
    assert!(!bench.sent().iter().any(published));
}

#[test]
fn b1_who_only_listens_is_not_waited_for_to_speak() {
    let mut bench = listening();
    bench.now += MEDIA_LIMIT;
    bench.input(Input::Timeout);
    bench.message(FromServer::Pong);
    assert_ne!(bench.machine.poll_timeout().map(|(_, timer)| timer), Some(Timer::Media));
}

#[test]
fn b1_who_only_listens_is_resumed() {
    let mut bench = listening();
    bench.lose();
    assert!(bench.resumes());
    bench.input(Input::Opened);
    bench.message(FromServer::Resumed);
    let actions = bench.take();
    assert!(actions.contains(&Action::Tell(Event::Resumed)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Offer { .. })));
}
