//! Several guilds: one bot in all of them, each with voice of its own.

use discord_standin::{
    ControlClient, ControlError, Info, Standin,
    types::{Guild, State},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{
        INTENTS, Voice, Websocket, counted, eventually, identified, log_in, rest, standin, until, voice_gateway,
        voice_identify,
    },
    crypto::MODES,
};

/// The same stand-in, with another guild in the place of the first.
fn seen_from(info: &Info, guild: &Guild) -> Info {
    Info {
        guild_id: guild.id.clone(),
        text_channel_id: guild.text_channel_id.clone(),
        voice_channel_id: guild.voice_channel_id.clone(),
        second_voice_channel_id: guild.second_voice_channel_id.clone(),
        ..info.clone()
    }
}

/// A stand-in with two guilds: the infos and controls of both.
async fn two_guilds() -> (Standin, [Info; 2], [ControlClient; 2]) {
    let standin = standin().await;
    let control = standin.control();
    let guild = control.create_guild("Elsewhere").await.unwrap();
    let infos = [standin.info().clone(), seen_from(standin.info(), &guild)];
    let controls = [control.clone(), control.of_guild(&guild.id)];
    (standin, infos, controls)
}

/// The bot as somebody in voice.
fn bot_in(state: &State) -> Option<()> {
    state.voice_of("bridge").map(drop)
}

/// Identifies with a guild's voice server; gives the websocket after Hello.
async fn voice_identified(info: &Info, session: &str, (token, endpoint): &(String, String)) -> Websocket {
    let mut socket = voice_gateway(info, endpoint, 8).await;
    assert_eq!(socket.json().await["op"], 8);
    socket
        .send(voice_identify(info, &info.bot_user_id, session, token))
        .await;
    socket
}

async fn status(info: &Info, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let (status, _, answer) = rest(info, method, path, Some(&info.token), body).await;
    (status, answer["code"].clone())
}

#[tokio::test]
async fn a_new_guild_is_told_to_who_is_there_and_listed_to_who_logs_in() {
    let standin = standin().await;
    let info = standin.info();
    let mut bot = log_in(info, &info.token).await;
    let opened = standin.control().create_guild("Elsewhere").await.unwrap();
    let told = bot.socket.event("GUILD_CREATE").await;
    assert_eq!((&told["id"], &told["name"]), (&json!(opened.id), &json!("Elsewhere")));
    assert_ne!(opened.id, info.guild_id);
    let channels = told["channels"].as_array().unwrap();
    assert!(channels.iter().all(|channel| channel["guild_id"] == opened.id.as_str()));
    assert!(
        channels
            .iter()
            .any(|channel| channel["id"] == opened.voice_channel_id.as_str())
    );

    let both = [info.guild_id.as_str(), opened.id.as_str()];
    let mut again = identified(info, &info.token, INTENTS).await;
    let ready = again.event("READY").await;
    let listed = ready["guilds"].as_array().unwrap().iter().map(|guild| &guild["id"]);
    assert!(listed.eq(both));
    for guild in both {
        assert_eq!(again.event("GUILD_CREATE").await["id"], guild);
    }
    let (_, _, mine) = rest(info, Method::GET, "/users/@me/guilds", Some(&info.token), None).await;
    assert!(mine.as_array().unwrap().iter().map(|guild| &guild["id"]).eq(both));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_bot_talks_in_two_guilds_at_once_and_leaves_each_by_itself() {
    let (standin, [here, there], [in_first, in_other]) = two_guilds().await;
    for (info, control, who) in [(&here, &in_first, "alice"), (&there, &in_other, "bob")] {
        control.create_person(who).await.unwrap();
        control.join(who, &info.voice_channel_id).await.unwrap();
    }
    let mut first = Voice::connect(&here, &here.token, &here.bot_user_id, 8, MODES[0]).await;
    let session = first.bot.session_id.clone();
    let other = first.bot.join(&there, &there.voice_channel_id).await;
    assert_ne!(first.endpoint, other.1, "each guild has a voice server of its own");
    let mut socket = voice_identified(&there, &session, &other).await;
    assert_ne!(socket.op(2).await["d"]["port"], first.server.port());
    let mut astray = voice_identified(&here, &session, &other).await;
    assert_eq!(astray.close_code().await, Some(4011), "a server knows no other guild");

    first.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    first.say(&[0x78, 9]).await;
    until(&in_first, |state| {
        (state.voice_of("alice")?.frames_heard == 1).then_some(())
    })
    .await;
    let bob = in_other.state().await.unwrap().voice_of("bob").unwrap().clone();
    assert_eq!(bob.frames_heard, 0, "voice stays in its guild");
    assert!(in_other.state().await.unwrap().voice_of("alice").is_none());

    first.bot.ask_for_voice(&there.guild_id, None).await;
    until(&in_other, |state| bot_in(state).is_none().then_some(())).await;
    assert!(
        in_first.state().await.unwrap().voice_of("bridge").is_some(),
        "one is left, not both"
    );
    first.say(&[0x78, 9]).await;
    until(&in_first, |state| {
        (state.voice_of("alice")?.frames_heard == 2).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn a_session_that_ends_takes_its_voice_out_of_every_guild() {
    let (standin, [here, there], controls) = two_guilds().await;
    let mut bot = log_in(&here, &here.token).await;
    for info in [&here, &there] {
        bot.join(info, &info.voice_channel_id).await;
    }
    controls[0].invalidate_gateway("bridge", false).await.unwrap();
    for control in &controls {
        until(control, |state| bot_in(state).is_none().then_some(())).await;
    }
    standin.shutdown().await;
}

#[tokio::test]
async fn a_voice_server_that_moves_takes_only_its_guild_with_it() {
    let (standin, [here, there], [_, in_other]) = two_guilds().await;
    let mut bot = log_in(&here, &here.token).await;
    for info in [&here, &there] {
        bot.join(info, &info.voice_channel_id).await;
    }
    let moved = in_other.move_voice_server().await.unwrap();
    let update = bot.socket.event("VOICE_SERVER_UPDATE").await;
    assert_eq!(update["guild_id"], there.guild_id.as_str());
    assert_eq!(update["endpoint"].as_str(), moved.endpoint.as_deref());
    let first = standin.control().voice_server().await.unwrap();
    assert_eq!(first.endpoint.as_deref(), Some(&*here.voice_endpoint));
    standin.shutdown().await;
}

#[tokio::test]
async fn what_is_in_one_guild_is_unknown_in_the_other() {
    let (standin, [here, there], [in_first, in_other]) = two_guilds().await;
    let role = in_first.state().await.unwrap().roles[1].id.clone();
    let own = status(
        &there,
        Method::GET,
        &format!("/guilds/{}/roles/{role}", here.guild_id),
        None,
    )
    .await;
    assert_eq!(own.0, 200);
    let strange = status(
        &there,
        Method::GET,
        &format!("/guilds/{}/roles/{role}", there.guild_id),
        None,
    )
    .await;
    assert_eq!(strange, (404, json!(10_011)));
    let nowhere = status(&there, Method::GET, "/guilds/7", None).await;
    assert_eq!(nowhere, (404, json!(10_004)));

    in_first.create_person("alice").await.unwrap();
    let alice = in_first.state().await.unwrap().accounts;
    let alice = &alice.iter().find(|account| account.name == "alice").unwrap().id;
    let member = |guild: &str| format!("/guilds/{guild}/members/{alice}");
    assert_eq!(status(&here, Method::GET, &member(&here.guild_id), None).await.0, 200);
    let strange = status(&here, Method::GET, &member(&there.guild_id), None).await;
    assert_eq!(strange, (404, json!(10_007)));
    let astray = in_first.join("alice", &there.voice_channel_id).await;
    assert!(matches!(astray, Err(ControlError::Refused { status: 404, .. })));
    let astray = in_other.join("alice", &there.voice_channel_id).await;
    assert!(matches!(astray, Err(ControlError::Refused { status: 404, .. })));

    let mut bot = log_in(&here, &here.token).await;
    bot.ask_for_voice(&there.guild_id, Some(&here.voice_channel_id)).await;
    counted(&standin, "gateway_voice_no_channel", 1).await;
    bot.ask_for_voice("7", Some(&here.voice_channel_id)).await;
    counted(&standin, "gateway_voice_wrong_guild", 1).await;
    eventually(&standin, |state| bot_in(state).is_none().then_some(())).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn a_bot_that_is_not_in_a_guild_has_no_access_to_it() {
    let (standin, [here, there], [in_first, _]) = two_guilds().await;
    in_first.create_bot("local", "local-token").await.unwrap();
    let info = Info {
        token: "local-token".to_owned(),
        ..here.clone()
    };
    let guild = |info: &Info| format!("/guilds/{}", info.guild_id);
    let channel = |info: &Info| format!("/channels/{}", info.voice_channel_id);
    for (path, expected) in [
        (guild(&here), 200),
        (channel(&here), 200),
        (guild(&there), 403),
        (channel(&there), 403),
    ] {
        assert_eq!(status(&info, Method::GET, &path, None).await.0, expected, "{path}");
    }
    let mut socket = identified(&info, &info.token, INTENTS).await;
    let ready = socket.event("READY").await;
    assert_eq!(ready["guilds"].as_array().map(Vec::len), Some(1));
    standin.shutdown().await;
}
