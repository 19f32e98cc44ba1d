//! End-to-end encryption: groups of raw clients and people, from the first commit to a reset.

use std::collections::HashSet;

use discord_standin::{
    Standin, digest,
    types::{Call, DavePolicy, FrameKind, Protection, State},
};
use serde_json::json;
use tokio::join;

use crate::{
    client::{Voice, counted, eventually, log_in, standin_with, voice_gateway, voice_identify},
    crypto::MODES,
    dave_client::{Member, Step},
    voice::tone,
};

const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

async fn required() -> Standin {
    standin_with(DavePolicy::Required).await
}

fn call(standin: &Standin, state: &State) -> Option<Call> {
    let channel = &standin.info().voice_channel_id;
    state.channels.iter().find(|known| known.id == *channel)?.call.clone()
}

/// The call once nothing is under way in it.
async fn settled(standin: &Standin, members: usize) -> Call {
    eventually(standin, |state| {
        call(standin, state)
            .filter(|call| call.members.len() == members && call.pending.is_empty() && call.transition.is_none())
    })
    .await
}

async fn counter(standin: &Standin, name: &str) -> u64 {
    let counters = standin.control().state().await.unwrap().counters;
    counters.get(name).copied().unwrap_or(0)
}

/// Two clients of both gateway versions in one group.
async fn pair(standin: &Standin) -> (Member, Member) {
    let (mut a, mut b) = join!(Member::join(standin, "a", 4), Member::join(standin, "b", 8));
    let both = vec![a.user, b.user];
    join!(a.until_with(both.clone()), b.until_with(both));
    (a, b)
}

/// Everyone hears what the first one says.
async fn all_hear(speaker: &mut Member, listeners: &mut [&mut Member]) {
    let opus = b"\x78 hear me";
    speaker.say(opus).await;
    for listener in listeners {
        assert_eq!(listener.hear(speaker.user).await, opus);
    }
}

#[tokio::test]
async fn clients_of_both_gateway_versions_form_a_group_and_hear_each_other() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    let call = settled(&standin, 2).await;
    assert_eq!((call.protocol_version, call.epoch), (1, 1));
    assert_eq!(a.session.voice_privacy_code(), b.session.voice_privacy_code());
    assert!(a.session.voice_privacy_code().is_some());
    all_hear(&mut a, &mut [&mut b]).await;
    all_hear(&mut b, &mut [&mut a]).await;
    let sent = standin.control().sent("a", 0).await.unwrap().frames;
    assert_eq!(
        (sent[0].kind, sent[0].protection),
        (FrameKind::Encrypted, Protection::Encrypted)
    );
    assert_eq!(sent[0].opus_digest, None, "the server holds no key");
    standin.shutdown().await;
}

#[tokio::test]
async fn a_late_client_is_welcomed() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    let mut c = Member::join(&standin, "c", 8).await;
    let all = vec![a.user, b.user, c.user];
    join!(a.until_with(all.clone()), b.until_with(all.clone()), c.until_with(all));
    assert_eq!(settled(&standin, 3).await.epoch, 2);
    all_hear(&mut c, &mut [&mut a, &mut b]).await;
    all_hear(&mut a, &mut [&mut b, &mut c]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn of_two_commits_the_first_one_wins() {
    let standin = required().await;
    let mut a = Member::join(&standin, "a", 8).await;
    assert_eq!(a.next().await, Step::ExternalSender);
    let mut b = Member::join(&standin, "b", 4).await;
    assert_eq!(b.next().await, Step::ExternalSender);
    let Step::Proposals(Some(of_b)) = b.next().await else {
        panic!("b is asked to add a");
    };
    let Step::Proposals(Some(of_a)) = a.next().await else {
        panic!("a is asked to add b");
    };
    a.send_binary(28, &of_a).await;
    counted(&standin, "dave_commits", 1).await;
    b.send_binary(28, &of_b).await;
    counted(&standin, "dave_commits_outdated", 1).await;
    let announced = a.next().await;
    assert!(matches!(announced, Step::Commit(..)), "{announced:?}");
    let welcome = b.next().await;
    assert!(matches!(welcome, Step::Welcome(..)), "{welcome:?}");
    join!(a.answer(announced), b.answer(welcome));
    let both = vec![a.user, b.user];
    join!(a.until_with(both.clone()), b.until_with(both));
    all_hear(&mut a, &mut [&mut b]).await;
    assert_eq!(counter(&standin, "dave_commits").await, 1);
    standin.shutdown().await;
}

#[tokio::test]
async fn three_join_at_once_and_leave_one_by_one() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    let (mut c, mut d, mut e) = join!(
        Member::join(&standin, "c", 8),
        Member::join(&standin, "d", 4),
        Member::join(&standin, "e", 8)
    );
    let all = vec![a.user, b.user, c.user, d.user, e.user];
    join!(
        a.until_with(all.clone()),
        b.until_with(all.clone()),
        c.until_with(all.clone()),
        d.until_with(all.clone()),
        e.until_with(all.clone())
    );
    settled(&standin, 5).await;
    all_hear(&mut e, &mut [&mut a, &mut b, &mut c, &mut d]).await;

    let guild = standin.info().guild_id.clone();
    c.voice.bot.ask_for_voice(&guild, None).await;
    let all = vec![a.user, b.user, d.user, e.user];
    join!(
        a.until_with(all.clone()),
        b.until_with(all.clone()),
        d.until_with(all.clone()),
        e.until_with(all.clone())
    );
    a.voice.bot.ask_for_voice(&guild, None).await;
    let all = vec![b.user, d.user, e.user];
    join!(
        b.until_with(all.clone()),
        d.until_with(all.clone()),
        e.until_with(all.clone())
    );
    settled(&standin, 3).await;
    all_hear(&mut b, &mut [&mut d, &mut e]).await;

    // The places that became free are taken again, leftmost first: everyone agrees who sits where.
    let mut f = Member::join(&standin, "f", 8).await;
    let all = vec![b.user, d.user, e.user, f.user];
    join!(
        b.until_with(all.clone()),
        d.until_with(all.clone()),
        e.until_with(all.clone()),
        f.until_with(all.clone())
    );
    e.voice.bot.ask_for_voice(&guild, None).await;
    let all = vec![b.user, d.user, f.user];
    join!(
        b.until_with(all.clone()),
        d.until_with(all.clone()),
        f.until_with(all.clone())
    );
    settled(&standin, 3).await;
    all_hear(&mut f, &mut [&mut b, &mut d]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn who_is_left_alone_gives_up_the_group_and_makes_another_one() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    b.voice.bot.ask_for_voice(&standin.info().guild_id, None).await;
    let announced = a.next().await;
    assert_eq!(announced, Step::Json(24, json!({"protocol_version": 1, "epoch": 1})));
    a.answer(announced).await;
    let reset = a.next().await;
    assert_eq!(
        reset,
        Step::Json(21, json!({"protocol_version": 1, "transition_id": 0}))
    );
    a.answer(reset).await;
    let alone = eventually(&standin, |state| call(&standin, state)).await;
    assert_eq!((alone.epoch, alone.members.len()), (0, 0));

    let mut c = Member::join(&standin, "c", 4).await;
    let both = vec![a.user, c.user];
    join!(a.until_with(both.clone()), c.until_with(both));
    assert_eq!(settled(&standin, 2).await.epoch, 1);
    all_hear(&mut a, &mut [&mut c]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn who_cannot_follow_is_removed_and_added_again() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    let mut c = Member::join(&standin, "c", 8).await;
    let all = vec![a.user, b.user, c.user];
    join!(
        a.until_with(all.clone()),
        b.until_with(all.clone()),
        c.until_with(all.clone())
    );
    let before = settled(&standin, 3).await;

    c.send_transition(31, 7).await;
    counted(&standin, "dave_recoveries", 1).await;
    c.begin_anew().await;
    let is_back = |member: &Member| {
        let users = member.session.get_user_ids().unwrap_or_default();
        let later = member
            .session
            .epoch()
            .is_some_and(|epoch| epoch.as_u64() > before.epoch);
        later && users.len() == 3 && member.session.is_ready() && member.pending.is_empty()
    };
    join!(a.until(is_back), b.until(is_back), c.until(is_back));
    all_hear(&mut c, &mut [&mut a, &mut b]).await;
    all_hear(&mut b, &mut [&mut a, &mut c]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn without_dave_nobody_enters_an_encrypted_channel() {
    let standin = required().await;
    let info = standin.info().clone();
    let mut bot = log_in(&info, &info.token).await;
    let (token, endpoint) = bot.join(&info, &info.voice_channel_id).await;
    for version in [None, Some(0)] {
        let mut socket = voice_gateway(&info, &endpoint, 8).await;
        let mut identify = voice_identify(&info, &info.bot_user_id, &bot.session_id, &token);
        if let Some(version) = version {
            identify["d"]["max_dave_protocol_version"] = json!(version);
        }
        socket.send(identify).await;
        assert_eq!(socket.close_code().await, Some(4017));
    }
    assert_eq!(counter(&standin, "voice_without_dave").await, 2);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_call_falls_to_plain_voice_for_a_client_without_dave_and_rises_again() {
    let standin = standin_with(DavePolicy::Optional).await;
    let info = standin.info().clone();
    let (mut a, mut b) = pair(&standin).await;
    let old = standin.control().create_bot("old", "old").await.unwrap();
    let bot = log_in(&info, "old").await;
    let mut old = Voice::join(&info, bot, &old.id, 4, MODES[1]).await;
    join!(
        a.until(|member| member.version == 0),
        b.until(|member| member.version == 0)
    );
    let fallen = eventually(&standin, |state| {
        call(&standin, state).filter(|call| call.transition.is_none())
    })
    .await;
    assert_eq!((fallen.protocol_version, fallen.epoch), (0, 0));
    a.voice.say(b"\x78plain").await;
    assert_eq!(old.hear().await.1, b"\x78plain");
    assert_eq!(b.voice.hear().await.1, b"\x78plain");
    assert_eq!(counter(&standin, "voice_plain_in_dave_call").await, 0);

    old.bot.ask_for_voice(&info.guild_id, None).await;
    let both = vec![a.user, b.user];
    join!(
        a.until(|member| member.version == 1 && member.session.is_ready()),
        b.until(|member| member.version == 1 && member.session.is_ready())
    );
    join!(a.until_with(both.clone()), b.until_with(both));
    assert_eq!(settled(&standin, 2).await.protocol_version, 1);
    all_hear(&mut b, &mut [&mut a]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn an_encrypted_frame_is_kept_from_a_client_that_cannot_read_it() {
    let standin = standin_with(DavePolicy::Optional).await;
    let info = standin.info().clone();
    let (mut a, mut b) = pair(&standin).await;
    let old = standin.control().create_bot("old", "old").await.unwrap();
    let bot = log_in(&info, "old").await;
    let mut old = Voice::join(&info, bot, &old.id, 8, MODES[0]).await;
    // a and b have not looked at the downgrade: they still speak encrypted.
    all_hear(&mut a, &mut [&mut b]).await;
    counted(&standin, "voice_kept_from_client_without_dave", 1).await;
    a.voice.say(&SILENCE).await;
    assert_eq!(old.hear().await.1, SILENCE);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_resumed_client_gets_the_group_messages_that_it_missed() {
    let standin = required().await;
    let info = standin.info().clone();
    let (mut a, mut b) = pair(&standin).await;
    settled(&standin, 2).await;
    standin.control().close_voice("b", 0).await.unwrap();
    assert_eq!(b.voice.socket.close_code().await, None);
    eventually(&standin, |state| {
        (!state.voice_of("b")?.connection.as_ref()?.websocket).then_some(())
    })
    .await;

    let mut c = Member::join(&standin, "c", 8).await;
    let all: HashSet<_> = [a.user, b.user, c.user].into();
    let is_complete = |member: &Member| {
        let present = member.session.get_user_ids().unwrap_or_default();
        member.session.is_ready() && present.into_iter().collect::<HashSet<_>>() == all
    };
    join!(a.until(is_complete), c.until(is_complete));

    let mut socket = voice_gateway(&info, &b.voice.endpoint, 8).await;
    socket
        .send(json!({"op": 7, "d": {
            "server_id": info.guild_id, "session_id": b.voice.bot.session_id, "token": b.voice.token,
            "seq_ack": b.sequence,
        }}))
        .await;
    assert_eq!(socket.json().await["op"], 8);
    assert_eq!(socket.json().await["op"], 9);
    b.voice.socket = socket;
    b.until(is_complete).await;
    all_hear(&mut b, &mut [&mut a, &mut c]).await;
    all_hear(&mut c, &mut [&mut a, &mut b]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn a_transition_does_not_wait_for_ever() {
    let standin = required().await;
    let mut a = Member::join(&standin, "a", 8).await;
    let mut b = Member::join(&standin, "b", 4).await;
    // b takes in what comes and answers nothing.
    a.until(|member| !member.pending.is_empty()).await;
    assert_eq!(counter(&standin, "dave_transition_timeouts").await, 0);
    a.until(|member| member.pending.is_empty()).await;
    assert_eq!(counter(&standin, "dave_transition_timeouts").await, 1);
    let late = loop {
        if let step @ Step::Welcome(..) = b.next().await {
            break step;
        }
    };
    b.answer(late).await;
    counted(&standin, "dave_ready_unexpected", 1).await;
    all_hear(&mut a, &mut [&mut b]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn messages_that_are_wrong_are_counted_and_change_nothing() {
    let standin = required().await;
    let (mut a, mut b) = pair(&standin).await;
    let before = settled(&standin, 2).await;

    let mut stranger = Member::connect(&standin, "stranger", 8).await;
    for package in [&[][..], &[0; 100], &[0, 1, 0, 5, 1, 2]] {
        stranger.send_binary(26, package).await;
    }
    let somebody_else = davey::DaveSession::new(std::num::NonZeroU16::MIN, 5, 5, None)
        .unwrap()
        .create_key_package()
        .unwrap();
    stranger.send_binary(26, &somebody_else).await;
    let mut forged = stranger.session.create_key_package().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    stranger.send_binary(26, &forged).await;
    counted(&standin, "dave_key_packages_refused", 5).await;

    // A commit of its own group, which is not the channel's.
    stranger.send_binary(28, &[]).await;
    stranger.send_binary(28, &[0, 1, 0, 1, 8, 0]).await;
    counted(&standin, "dave_commits_invalid", 2).await;
    stranger.send_transition(23, 9).await;
    counted(&standin, "dave_ready_unexpected", 1).await;
    stranger.voice.bot.ask_for_voice(&standin.info().guild_id, None).await;

    let after = settled(&standin, 2).await;
    assert_eq!((after.epoch, after.members), (before.epoch, before.members));
    all_hear(&mut a, &mut [&mut b]).await;

    stranger = Member::connect(&standin, "another", 8).await;
    stranger.send_binary(99, &[]).await;
    assert_eq!(stranger.voice.socket.close_code().await, Some(4002));
    standin.shutdown().await;
}

#[tokio::test]
async fn people_and_clients_hear_each_other_in_every_order_of_joining() {
    let directory = tempfile::tempdir().unwrap();
    let file = tone(&directory, 1);
    for bot_first in [true, false] {
        let standin = required().await;
        let (control, channel) = (standin.control(), standin.info().voice_channel_id.clone());
        let alice = control.create_person("alice").await.unwrap();
        let mut bot = if bot_first {
            let bot = Member::join(&standin, "bot", 8).await;
            control.join("alice", &channel).await.unwrap();
            bot
        } else {
            control.join("alice", &channel).await.unwrap();
            Member::join(&standin, "bot", 4).await
        };
        let alice_id = alice.id.parse().unwrap();
        bot.until_with(vec![bot.user, alice_id]).await;
        control.record("alice").await.unwrap();

        control.play("alice", &file, false).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..55 {
            heard.push(digest(&bot.hear(alice_id).await));
        }
        let sent = control.sent("alice", 0).await.unwrap().frames;
        let said: Vec<_> = sent.iter().map(|frame| frame.opus_digest.clone().unwrap()).collect();
        assert_eq!(heard, said);
        let encrypted = |frame: &&discord_standin::types::Frame| frame.protection == Protection::Encrypted;
        assert_eq!(
            sent.iter().filter(encrypted).count(),
            50,
            "all but the silence at the end"
        );

        bot.say(b"\x78one").await;
        bot.voice.say(b"\x78plain").await;
        bot.voice.say(&[&[1; 30][..], &[5, 12, 0xfa, 0xfa]].concat()).await;
        bot.voice.say(&SILENCE).await;
        bot.say(b"\x78two").await;
        let frames = loop {
            let frames = control.frames("alice", 0).await.unwrap().frames;
            if frames.len() == 5 {
                break frames;
            }
            tokio::task::yield_now().await;
        };
        let seen: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.protection)).collect();
        assert_eq!(
            seen,
            [
                (FrameKind::Voice, Protection::Encrypted),
                (FrameKind::Voice, Protection::Plain),
                (FrameKind::Encrypted, Protection::Undecrypted),
                (FrameKind::Silence, Protection::Plain),
                (FrameKind::Voice, Protection::Encrypted),
            ]
        );
        assert_eq!(frames[0].opus_digest.as_deref(), Some(digest(b"\x78one").as_str()));
        let sent = control.sent("bot", 0).await.unwrap().frames;
        let wire = |frames: &[discord_standin::types::Frame]| -> Vec<_> {
            frames.iter().map(|frame| frame.digest.clone()).collect()
        };
        assert_eq!(wire(&sent), wire(&frames));
        let state = control.state().await.unwrap();
        let heard = &state.voice_of("alice").unwrap().heard[0];
        assert_eq!(
            (heard.decrypted, heard.undecrypted, heard.plain, heard.silence),
            (2, 1, 1, 1)
        );
        assert_eq!(control.recording("alice").await.unwrap().sources[0].unheard, 2);
        assert_eq!(state.counters["voice_plain_in_dave_call"], 1);
        assert_eq!(state.voice_of("bot").unwrap().plain_sent, 1);
        standin.shutdown().await;
    }
}
