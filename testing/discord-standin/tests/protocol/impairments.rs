//! What the network does to voice, seen through the wire.

use std::time::Duration;

use discord_standin::types::{Direction, FrameKind, Impairment, ImpairmentCounts, SetImpairment};
use tokio::time::timeout;

use crate::{
    client::{Voice, counted, eventually, log_in, standin},
    crypto::MODES,
};

fn for_bridge(direction: Direction, impairment: Impairment) -> SetImpairment {
    SetImpairment {
        who: Some("bridge".to_owned()),
        direction: Some(direction),
        impairment,
    }
}

fn numbers(standin: &[discord_standin::types::Frame]) -> Vec<u16> {
    standin
        .iter()
        .filter(|frame| frame.kind == FrameKind::Voice)
        .map(|frame| frame.sequence)
        .collect()
}

/// What a bot's frames become under an impairment, in two runs.
async fn heard_twice(impairment: Impairment) -> ([Vec<u16>; 2], ImpairmentCounts) {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    let mut runs = [Vec::new(), Vec::new()];
    let mut counts = ImpairmentCounts::default();
    let mut since = 0;
    for run in &mut runs {
        let first = bot.sequence.wrapping_add(1);
        let asked = for_bridge(Direction::ToServer, impairment);
        control.impair(&asked).await.unwrap();
        for _ in 0..100 {
            bot.say(&[0x78, 3]).await;
            // Slow enough for the socket's buffer and for a clear order.
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let seen = async {
            loop {
                counts = control.impairments().await.unwrap()[0].counts;
                if counts.seen == 100 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), seen).await.unwrap();
        let arrive = counts.seen - counts.lost - counts.cut + counts.duplicated;
        let arrived = async {
            loop {
                let sent = control.sent("bridge", since).await.unwrap();
                if sent.frames.len() as u64 >= arrive {
                    return sent;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let sent = timeout(Duration::from_secs(10), arrived).await.unwrap();
        since = sent.next;
        *run = numbers(&sent.frames).iter().map(|n| n.wrapping_sub(first)).collect();
    }
    standin.shutdown().await;
    (runs, counts)
}

#[tokio::test]
async fn a_seeded_loss_takes_the_same_frames_each_time() {
    let loss = Impairment {
        loss: 0.2,
        loss_burst: 3.0,
        seed: 42,
        ..Impairment::default()
    };
    let ([first, second], counts) = Box::pin(heard_twice(loss)).await;
    assert_eq!(first, second);
    assert!(counts.lost > 0, "{counts:?}");
    assert_eq!(first.len() as u64, 100 - counts.lost);
}

#[tokio::test]
async fn delayed_frames_come_later_and_in_order() {
    let late = Impairment {
        delay_ms: 100,
        jitter_ms: 30,
        seed: 3,
        ..Impairment::default()
    };
    let ([frames, _], counts) = Box::pin(heard_twice(late)).await;
    assert_eq!(frames, (0..100).collect::<Vec<u16>>());
    assert_eq!(counts.delayed, 100);
}

#[tokio::test]
async fn frames_that_are_held_back_come_after_later_ones() {
    let reorder = Impairment {
        reorder: 0.1,
        reorder_ms: 20,
        seed: 5,
        ..Impairment::default()
    };
    let ([frames, _], counts) = Box::pin(heard_twice(reorder)).await;
    let late = frames.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(late > 0 && counts.reordered >= late as u64, "{late} of {counts:?}");
    let mut all = frames;
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<u16>>());
}

#[tokio::test]
async fn a_cut_ends_both_ways_for_one_member_and_is_taken_back() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_bot("second", "other").await.unwrap();
    let mut one = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    let second = control.state().await.unwrap();
    let second = second.accounts.iter().find(|account| account.name == "second");
    let second = second.unwrap().id.clone();
    let bot = log_in(&info, "other").await;
    let mut two = Voice::join(&info, bot, &second, 4, MODES[1]).await;
    one.announce().await;
    two.announce().await;
    counted(&standin, "voice_speaking_updates", 2).await;

    let cut = Impairment {
        cut: true,
        ..Impairment::default()
    };
    control.impair(&for_bridge(Direction::FromServer, cut)).await.unwrap();
    two.say(&[0x78, 1]).await;
    eventually(&standin, |state| {
        (state.voice_of("second")?.frames_sent == 1).then_some(())
    })
    .await;
    one.say(&[0x78, 2]).await;
    assert_eq!(two.hear().await.1, [0x78, 2], "the other way is open");
    let counts = control.impairments().await.unwrap()[0].counts;
    assert_eq!((counts.seen, counts.cut), (1, 1));

    control.clear_impairments().await.unwrap();
    two.say(&[0x78, 3]).await;
    assert_eq!(one.hear().await.1, [0x78, 3]);
    assert!(control.impairments().await.unwrap().is_empty());
    standin.shutdown().await;
}

#[tokio::test]
async fn what_listeners_get_twice_is_a_second_packet() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_bot("second", "other").await.unwrap();
    let one = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    let state = control.state().await.unwrap();
    let second = state.accounts.iter().find(|account| account.name == "second").unwrap();
    let bot = log_in(&info, "other").await;
    let mut two = Voice::join(&info, bot, &second.id, 4, MODES[1]).await;
    two.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    let twice = Impairment {
        duplicate: 1.0,
        ..Impairment::default()
    };
    control.impair(&for_bridge(Direction::FromServer, twice)).await.unwrap();
    two.say(&[0x78, 1]).await;
    let mut buffer = [[0; 128]; 2];
    for packet in &mut buffer {
        let received = timeout(Duration::from_secs(5), one.udp.recv(packet)).await;
        received.expect("two packets").unwrap();
    }
    assert_eq!(buffer[0], buffer[1], "the network repeats what it carries");
    standin.shutdown().await;
}

#[tokio::test]
async fn an_impairment_that_cannot_be_is_refused() {
    let standin = standin().await;
    let control = standin.control();
    for impairment in [
        Impairment {
            loss: 1.5,
            ..Impairment::default()
        },
        Impairment {
            reorder: -0.1,
            ..Impairment::default()
        },
        Impairment {
            loss: 0.9,
            loss_burst: 2.0,
            ..Impairment::default()
        },
    ] {
        let asked = SetImpairment {
            impairment,
            ..SetImpairment::default()
        };
        let refused = control.impair(&asked).await.unwrap_err().to_string();
        assert!(refused.contains("400"), "{refused}");
    }
    standin.shutdown().await;
}
