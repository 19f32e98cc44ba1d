//! REST: what a bot asks before and beside voice.

use discord_standin::{
    Info,
    types::{Looks, Overwrite},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{log_in, rest, standin};

async fn ask(
    info: &Info,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (StatusCode, String, Value) {
    let (status, headers, answer) = rest(info, method, path, token, body).await;
    let kind = headers
        .get("content-type")
        .map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    (StatusCode::from_u16(status).unwrap(), kind, answer)
}

#[tokio::test]
async fn the_gateway_is_told_without_a_token_and_its_limits_only_with_one() {
    let standin = standin().await;
    let info = standin.info().clone();
    let (status, kind, body) = ask(&info, Method::GET, "/gateway", None, None).await;
    assert_eq!(status, 200);
    // discord.py takes exactly this and no charset.
    assert_eq!(kind, "application/json");
    assert_eq!(body["url"], info.gateway.as_str());
    let path = "/gateway/bot";
    let (status, _, body) = ask(&info, Method::GET, path, Some("wrong"), None).await;
    assert_eq!(status, 401);
    assert_eq!(body, json!({"message": "401: Unauthorized", "code": 0}));
    let (status, _, body) = ask(&info, Method::GET, path, Some(&info.token), None).await;
    assert_eq!(status, 200);
    assert_eq!(body["session_start_limit"]["max_concurrency"], 1);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_route_that_is_not_there_is_a_counted_404() {
    let standin = standin().await;
    let info = standin.info().clone();
    let (status, kind, body) = ask(&info, Method::GET, "/moon", Some(&info.token), None).await;
    assert_eq!((status.as_u16(), kind.as_str()), (404, "application/json"));
    assert_eq!(body, json!({"message": "404: Not Found", "code": 0}));
    let counters = standin.control().state().await.unwrap().counters;
    assert_eq!(counters.get("rest_unknown_routes"), Some(&1));
    standin.shutdown().await;
}

#[tokio::test]
async fn messages_are_kept_and_can_be_read_edited_and_deleted() {
    let standin = standin().await;
    let info = standin.info().clone();
    let token = Some(info.token.as_str());
    let path = format!("/channels/{}/messages", info.voice_channel_id);
    let post = json!({"content": "Alice hears you", "tts": false, "nonce": "7"});
    let (status, _, message) = ask(&info, Method::POST, &path, token, Some(post)).await;
    assert_eq!(status, 200);
    assert_eq!(message["nonce"], "7");
    assert_eq!(message["author"]["id"], info.bot_user_id.as_str());

    let state = standin.control().state().await.unwrap();
    assert_eq!(state.messages[0].content, "Alice hears you");
    assert_eq!(state.messages[0].channel_id, info.voice_channel_id);

    let one = format!("{path}/{}", message["id"].as_str().unwrap());
    let edit = json!({"content": "nobody hears you"});
    let (status, _, edited) = ask(&info, Method::PATCH, &one, token, Some(edit)).await;
    assert_eq!((status.as_u16(), &edited["content"]), (200, &json!("nobody hears you")));
    let (status, ..) = ask(&info, Method::DELETE, &one, token, None).await;
    assert_eq!(status, 204);
    let (status, _, body) = ask(&info, Method::GET, &one, token, None).await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!(10_008)));
    standin.shutdown().await;
}

#[tokio::test]
async fn what_may_not_be_said_is_refused_with_discords_codes() {
    let standin = standin().await;
    let info = standin.info().clone();
    let token = Some(info.token.as_str());
    let path = format!("/channels/{}/messages", info.text_channel_id);
    let post = |content: &str| Some(json!({"content": content}));
    let (status, _, body) = ask(&info, Method::POST, &path, token, post("")).await;
    assert_eq!((status.as_u16(), &body["code"]), (400, &json!(50_006)));
    let long = "x".repeat(2_001);
    let (status, ..) = ask(&info, Method::POST, &path, token, post(&long)).await;
    assert_eq!(status, 400);

    let control = standin.control();
    for (denied, code) in [("SEND_MESSAGES", 50_013), ("VIEW_CHANNEL", 50_001)] {
        let overwrite = Overwrite {
            allow: vec![],
            deny: vec![denied.to_owned()],
        };
        control
            .set_overwrite(&info.text_channel_id, &info.bot_user_id, &overwrite)
            .await
            .unwrap();
        let (status, _, body) = ask(&info, Method::POST, &path, token, post("hi")).await;
        assert_eq!((status.as_u16(), &body["code"]), (403, &json!(code)), "{denied}");
    }
    let (status, _, body) = ask(&info, Method::POST, "/channels/5/messages", token, post("hi")).await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!(10_003)));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_bot_out_of_the_guild_has_no_access() {
    let standin = standin().await;
    let info = standin.info().clone();
    let guild = format!("/guilds/{}", info.guild_id);
    let token = Some(info.token.as_str());
    let (status, _, body) = ask(&info, Method::GET, &guild, token, None).await;
    assert_eq!((status.as_u16(), &body["id"]), (200, &json!(info.guild_id)));
    standin.control().remove_person(&info.bot_user_id).await.unwrap();
    let (status, _, body) = ask(&info, Method::GET, &guild, token, None).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!(50_001)));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_member_is_moved_muted_and_disconnected_only_with_permission() {
    let standin = standin().await;
    let info = standin.info().clone();
    let token = Some(info.token.as_str());
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    let member = format!("/guilds/{}/members/{}", info.guild_id, alice.id);
    let mute = Some(json!({"mute": true}));
    let (status, _, body) = ask(&info, Method::PATCH, &member, token, mute.clone()).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!(50_013)));

    let names = ["VIEW_CHANNEL", "CONNECT", "MUTE_MEMBERS", "MOVE_MEMBERS"];
    control.set_role_permissions("bots", &names).await.unwrap();
    let (status, _, body) = ask(&info, Method::PATCH, &member, token, mute).await;
    assert_eq!((status.as_u16(), &body["mute"]), (200, &json!(true)));
    let to_second = Some(json!({"channel_id": info.second_voice_channel_id}));
    ask(&info, Method::PATCH, &member, token, to_second).await;
    let state = control.state().await.unwrap();
    let voice = state.voice_of("alice").unwrap();
    assert_eq!(voice.channel_id, info.second_voice_channel_id);
    assert!(voice.mute);
    let out = Some(json!({"channel_id": null}));
    ask(&info, Method::PATCH, &member, token, out).await;
    assert!(control.state().await.unwrap().voice_of("alice").is_none());
    standin.shutdown().await;
}

/// Looks are told to whoever watches members, and to everybody else with the next voice state.
#[tokio::test]
async fn people_have_nicknames_and_pictures() {
    let standin = standin().await;
    let (info, control) = (standin.info().clone(), standin.control());
    let alice = control.create_person("alice").await.unwrap().id;
    let looks = Looks {
        nick: Some("Ada".to_owned()),
        avatar: Some("0123456789abcdef0123456789abcdef".to_owned()),
    };
    control.change_looks(&alice, &looks).await.unwrap();
    let path = format!("/guilds/{}/members/{alice}", info.guild_id);
    let (_, _, member) = ask(&info, Method::GET, &path, Some(&info.token), None).await;
    assert_eq!(member["nick"], "Ada");
    assert_eq!(member["user"]["avatar"], "0123456789abcdef0123456789abcdef");
    let picture = async |name: &str| {
        let address = format!("{}/avatars/{alice}/{name}", info.api_base);
        let response = reqwest::get(address).await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    let (status, bytes) = picture("0123456789abcdef0123456789abcdef.png?size=256").await;
    assert_eq!((status, bytes.get(1..4)), (200, Some(&b"PNG"[..])));
    assert_eq!(picture("0000000000000000000000000000000f.png").await.0, 404);

    let none = Looks {
        nick: Some(String::new()),
        avatar: None,
    };
    control.change_looks(&alice, &none).await.unwrap();
    let (_, _, member) = ask(&info, Method::GET, &path, Some(&info.token), None).await;
    assert_eq!(member["nick"], Value::Null);
    assert_eq!(picture("0123456789abcdef0123456789abcdef.png").await.0, 200);
    standin.shutdown().await;
}

/// A voice channel's status is set by whoever is in it and may; it is gone when all have left.
#[tokio::test]
async fn a_voice_channel_has_a_status_while_somebody_is_there() {
    let standin = standin().await;
    let (info, control) = (standin.info().clone(), standin.control());
    let mut bot = log_in(&info, &info.token).await;
    let channel = info.voice_channel_id.clone();
    let path = format!("/channels/{channel}/voice-status");
    let set = async |status: &str| {
        let body = Some(json!({ "status": status }));
        let (code, _, answer) = rest(&info, Method::PUT, &path, Some(&info.token), body).await;
        (code, answer["code"].clone())
    };
    assert_eq!(set("hello").await, (403, json!(50_013)), "it may not");
    let allowed = |names: &[&str]| Overwrite {
        allow: names.iter().map(|name| (*name).to_owned()).collect(),
        deny: vec![],
    };
    let status_only = allowed(&["SET_VOICE_CHANNEL_STATUS"]);
    control.set_overwrite(&channel, "bridge", &status_only).await.unwrap();
    assert_eq!(set("hello").await, (403, json!(50_013)), "it is not there");
    let manages = allowed(&["SET_VOICE_CHANNEL_STATUS", "MANAGE_CHANNELS"]);
    control.set_overwrite(&channel, "bridge", &manages).await.unwrap();
    control.create_person("alice").await.unwrap();
    control.join("alice", &channel).await.unwrap();
    assert_eq!(set(&"x".repeat(501)).await, (400, json!(50_035)));
    assert_eq!(set("hello").await.0, 204);
    assert_eq!(bot.socket.event("VOICE_CHANNEL_STATUS_UPDATE").await["status"], "hello");
    let status = async || {
        let state = control.state().await.unwrap();
        let known = state.channels.into_iter().find(|known| known.id == channel);
        known.unwrap().status
    };
    assert_eq!(status().await.as_deref(), Some("hello"));
    control.leave("alice").await.unwrap();
    assert_eq!(
        bot.socket.event("VOICE_CHANNEL_STATUS_UPDATE").await["status"],
        Value::Null
    );
    assert_eq!(status().await, None);
    standin.shutdown().await;
}
