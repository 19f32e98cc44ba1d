//! Roles, their order, and what overwrites make of them.

use discord_standin::types::{Overwrite, RoleSettings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{log_in, rest, standin};

const MANAGE_ROLES: u64 = 1 << 28;
const MUTE_MEMBERS: u64 = 1 << 22;
const CONNECT: u64 = 1 << 20;

fn settings(name: &str, permissions: &[&str]) -> RoleSettings {
    RoleSettings {
        name: Some(name.to_owned()),
        permissions: Some(permissions.iter().map(|name| (*name).to_owned()).collect()),
        position: None,
    }
}

#[tokio::test]
async fn a_bot_manages_the_roles_below_its_own_and_gives_only_what_it_has() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    let roles = format!("/guilds/{}/roles", info.guild_id);
    let ask = |method, path: String, body: Option<Value>| {
        let info = info.clone();
        async move { rest(&info, method, &path, Some(&info.token), body).await }
    };
    let speaker = Some(json!({"name": "speaker", "permissions": MUTE_MEMBERS.to_string()}));
    let (status, _, body) = ask(Method::POST, roles.clone(), speaker.clone()).await;
    assert_eq!((status, &body["code"]), (403, &json!(50_013)), "no permission at all");

    let names = ["VIEW_CHANNEL", "CONNECT", "MANAGE_ROLES"];
    control.set_role_permissions("bots", &names).await.unwrap();
    let (status, ..) = ask(Method::POST, roles.clone(), speaker).await;
    assert_eq!(status, 403, "it may not mute members itself");
    let modest = Some(json!({"name": "speaker", "permissions": CONNECT.to_string(), "color": 7}));
    let (status, _, created) = ask(Method::POST, roles.clone(), modest).await;
    assert_eq!((status, &created["position"]), (200, &json!(1)));
    let own = format!("{roles}/{}", created["id"].as_str().unwrap());
    let (status, _, changed) = ask(Method::PATCH, own.clone(), Some(json!({"name": "guest"}))).await;
    assert_eq!(
        (status, &changed["name"], &changed["color"]),
        (200, &json!("guest"), &json!(7))
    );

    let give = format!(
        "/guilds/{}/members/{}/roles/{}",
        info.guild_id,
        alice.id,
        created["id"].as_str().unwrap()
    );
    assert_eq!(ask(Method::PUT, give.clone(), None).await.0, 204);
    let state = control.state().await.unwrap();
    let account = state.accounts.iter().find(|account| account.name == "alice").unwrap();
    assert_eq!(json!(account.roles), json!([created["id"]]));
    assert_eq!(ask(Method::DELETE, give, None).await.0, 204);

    let above = control.create_role(&settings("boss", &[])).await.unwrap();
    let raised = RoleSettings {
        position: Some(3),
        ..RoleSettings::default()
    };
    control.change_role("boss", &raised).await.unwrap();
    let boss = format!("{roles}/{}", above.id);
    let (status, _, body) = ask(Method::PATCH, boss.clone(), Some(json!({"name": "x"}))).await;
    assert_eq!((status, &body["code"]), (403, &json!(50_013)), "above its own");
    assert_eq!(ask(Method::DELETE, own.clone(), None).await.0, 204);
    let (status, _, body) = ask(Method::GET, own, None).await;
    assert_eq!((status, &body["code"]), (404, &json!(10_011)));
    standin.shutdown().await;
}

#[tokio::test]
async fn role_overwrites_decide_who_may_connect() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    control.create_role(&settings("guests", &[])).await.unwrap();
    let voice = info.voice_channel_id.as_str();
    let deny = Overwrite {
        allow: vec![],
        deny: vec!["CONNECT".to_owned()],
    };
    control.set_overwrite(voice, "everyone", &deny).await.unwrap();
    assert!(control.join("alice", voice).await.is_err());
    let allow = Overwrite {
        allow: vec!["CONNECT".to_owned()],
        deny: vec![],
    };
    control.set_overwrite(voice, "guests", &allow).await.unwrap();
    assert!(control.join("alice", voice).await.is_err(), "without the role");
    control.give_role("alice", "guests").await.unwrap();
    control.join("alice", voice).await.unwrap();
    control.leave("alice").await.unwrap();
    control.set_overwrite(voice, "alice", &deny).await.unwrap();
    assert!(
        control.join("alice", voice).await.is_err(),
        "a member's own goes before"
    );
    control.clear_overwrite(voice, "alice").await.unwrap();
    control.delete_role("guests").await.unwrap();
    assert!(control.join("alice", voice).await.is_err(), "the role is gone");
    let state = control.state().await.unwrap();
    let channel = state.channels.iter().find(|channel| channel.id == voice).unwrap();
    assert_eq!(channel.overwrites.len(), 1);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_channel_that_a_bot_may_not_see_is_gone_for_it_until_it_may() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    let hidden = Overwrite {
        allow: vec![],
        deny: vec!["VIEW_CHANNEL".to_owned()],
    };
    control
        .set_overwrite(&info.voice_channel_id, "bridge", &hidden)
        .await
        .unwrap();
    assert_eq!(bot.socket.event("CHANNEL_DELETE").await["id"], info.voice_channel_id);
    control.clear_overwrite(&info.voice_channel_id, "bridge").await.unwrap();
    assert_eq!(bot.socket.event("CHANNEL_CREATE").await["id"], info.voice_channel_id);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_bot_sets_overwrites_and_sees_what_changes() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    let path = format!("/channels/{}/permissions/{}", info.voice_channel_id, info.bot_user_id);
    let body = json!({"type": 1, "allow": "0", "deny": CONNECT.to_string()});
    let ask = |method, body| {
        let (info, path) = (info.clone(), path.clone());
        async move { rest(&info, method, &path, Some(&info.token), body).await.0 }
    };
    assert_eq!(ask(Method::PUT, Some(body.clone())).await, 403);
    control.set_role_permissions("bots", &["MANAGE_ROLES"]).await.unwrap();
    let update = bot.socket.event("GUILD_ROLE_UPDATE").await;
    assert_eq!(update["role"]["permissions"], MANAGE_ROLES.to_string());
    assert_eq!(ask(Method::PUT, Some(body)).await, 204);
    let update = bot.socket.event("CHANNEL_UPDATE").await;
    assert_eq!(update["permission_overwrites"][0]["deny"], CONNECT.to_string());
    control.create_role(&settings("extra", &[])).await.unwrap();
    assert_eq!(bot.socket.event("GUILD_ROLE_CREATE").await["role"]["name"], "extra");
    control.give_role("bridge", "extra").await.unwrap();
    let member = bot.socket.event("GUILD_MEMBER_UPDATE").await;
    assert_eq!(member["roles"].as_array().unwrap().len(), 2);
    assert_eq!(ask(Method::DELETE, None).await, 204);
    assert_eq!(ask(Method::DELETE, None).await, 404);
    standin.shutdown().await;
}
