//! What the bridges sent each other is recorded on the way and sent again, from the peer's address and from elsewhere.

use super::figures::Dropped;
use crate::audio::{Clock, Recording, SpeechCheck, VoiceAway, unix_ms};
use crate::scenarios::bench::Bench;
use crate::scenarios::talk::{NONE, Talk};
use crate::stack::{End, Relay, Stack};
use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until};

/// How much is recorded.
const LASTING: Duration = Duration::from_secs(5);
/// How much later it begins to be sent again. What was recorded first is then still within the window of counters.
const LATER: Duration = Duration::from_secs(3);
/// Where a stranger is.
const ELSEWHERE: &str = "127.0.0.4:0";
/// Until what was sent last would have been heard.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// What is heard instead is the same voice, saying something else: in a few seconds more alike than two people are, and yet
/// far from what would be a match.
const MOST_ALIKE: f64 = 0.5;

/// A datagram that went by.
struct Recorded {
    from: End,
    /// Since recording began.
    after: Duration,
    datagram: Vec<u8>,
}

pub(super) async fn run(bench: &mut Bench, stack: &Stack, relay: &Relay, talk: &mut Talk) -> Result<()> {
    let from = unix_ms();
    let recorded = record(relay).await;
    let to = unix_ms();
    sleep(LATER).await;

    let receivers = [(&stack.voice_bridge, End::Second), (&stack.discord_bridge, End::First)];
    let mut before = Vec::new();
    for (bridge, _) in receivers {
        before.push(Dropped::by(bridge).await?);
    }
    let began = unix_ms();
    send_again(stack, relay, &recorded).await?;
    sleep(HEARD_WITHIN).await;
    let ended = unix_ms();

    for ((bridge, sender), before) in receivers.into_iter().zip(&before) {
        let dropped = Dropped::by_at_rest(bridge).await?.since(before);
        let sent = recorded.iter().filter(|datagram| datagram.from == sender).count();
        // From the peer's address and from elsewhere.
        let sent = 2 * sent as u64;
        bench.check(
            &format!("{} drops every packet that is sent again", bridge.name()),
            sent > 100 && dropped.of("replayed") == sent && dropped.total() == sent,
            format!("{dropped} of {sent}"),
        );
    }
    for way in talk.so_far().await? {
        let direction = way.direction;
        let once = way.said.between(from, to).audio;
        let again = Recording::new(once, Clock::starting_at(began));
        let heard = SpeechCheck::run(&again, &way.heard.between(began, ended));
        bench.check(
            &format!("nothing is heard a second time {direction}"),
            !heard.windows().is_empty() && heard.median() < MOST_ALIKE,
            format!(
                "median {:.2} in {} windows of speech",
                heard.median(),
                heard.windows().len()
            ),
        );
        let away = VoiceAway::run(&way.said.between(began, ended), &way.heard);
        bench.check(
            &format!("voice away {direction} beside replays"),
            away.windows() > 0 && away.longest() <= NONE,
            format!("{away} ({} windows of speech)", away.windows()),
        );
    }
    Ok(())
}

/// Records both ways for a while.
async fn record(relay: &Relay) -> Vec<Recorded> {
    let recorded = Arc::<Mutex<Vec<Recorded>>>::default();
    let (start, tape) = (Instant::now(), Arc::clone(&recorded));
    relay.inspect(move |from, datagram| {
        let recorded = Recorded {
            from,
            after: start.elapsed(),
            datagram: datagram.to_vec(),
        };
        tape.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        true
    });
    sleep(LASTING).await;
    relay.inspect_no_more();
    std::mem::take(&mut *recorded.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sends it all to whom it was for, as far apart as it came.
async fn send_again(stack: &Stack, relay: &Relay, recorded: &[Recorded]) -> Result<()> {
    let stranger = UdpSocket::bind(ELSEWHERE).await?;
    let start = Instant::now();
    for Recorded { from, after, datagram } in recorded {
        sleep_until(start + *after).await;
        relay.send_as(*from, datagram).await?;
        let to = match from {
            End::First => stack.discord_bridge.vdp,
            End::Second => stack.voice_bridge.vdp,
        };
        stranger.send_to(datagram, to).await?;
    }
    Ok(())
}
