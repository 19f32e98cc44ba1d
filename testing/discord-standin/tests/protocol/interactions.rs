//! Application commands: registered by a bot, used by people, answered by the bot.

use std::time::Duration;

use discord_standin::{
    ControlClient, Info,
    types::{Interaction, InteractionState, UseCommand},
};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Bot, log_in, rest, standin};

struct Commander {
    info: Info,
    bot: Bot,
}

impl Commander {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, body) = rest(&self.info, method, path, Some(&self.info.token), body).await;
        (status, body)
    }

    /// Without a token: the path is authority enough.
    async fn answer(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, body) = rest(&self.info, method, path, None, body).await;
        (status, body)
    }

    fn commands(&self) -> String {
        format!(
            "/applications/{}/guilds/{}/commands",
            self.info.application_id, self.info.guild_id
        )
    }

    /// Alice uses the command, as she should; the bot is told.
    async fn is_used(&mut self, control: &ControlClient) -> (Interaction, Value) {
        let used = control
            .use_command("alice", &self.used(json!({"minutes": 5})))
            .await
            .unwrap();
        let event = self.bot.socket.event("INTERACTION_CREATE").await;
        (used, event)
    }

    fn used(&self, options: Value) -> UseCommand {
        let Value::Object(options) = options else {
            panic!("options are an object");
        };
        UseCommand {
            channel_id: self.info.text_channel_id.clone(),
            name: "record".to_owned(),
            options,
            bot: None,
        }
    }
}

fn record() -> Value {
    json!({"name": "record", "description": "Records", "options": [
        {"type": 4, "name": "minutes", "description": "How long", "required": true, "min_value": 1},
    ]})
}

async fn commander(info: &Info) -> Commander {
    Commander {
        info: info.clone(),
        bot: log_in(info, &info.token).await,
    }
}

#[tokio::test]
async fn commands_are_registered_changed_listed_and_deleted() {
    let standin = standin().await;
    let bot = commander(standin.info()).await;
    let path = bot.commands();
    let (status, created) = bot.ask(Method::POST, &path, Some(record())).await;
    assert_eq!((status, &created["name"]), (201, &json!("record")));
    let (status, again) = bot.ask(Method::POST, &path, Some(record())).await;
    assert_eq!(
        (status, &again["id"]),
        (200, &created["id"]),
        "one of the name replaces the other"
    );
    let one = format!("{path}/{}", created["id"].as_str().unwrap());
    let (status, changed) = bot
        .ask(Method::PATCH, &one, Some(json!({"description": "Tapes"})))
        .await;
    assert_eq!((status, &changed["description"]), (200, &json!("Tapes")));
    assert_ne!(changed["version"], created["version"]);

    let mut bad = record();
    bad["options"][0]["name"] = json!("Minutes Please");
    let (status, refused) = bot.ask(Method::POST, &path, Some(bad.clone())).await;
    assert_eq!((status, &refused["code"]), (400, &json!(50_035)));
    assert!(refused["errors"]["options"]["0"]["name"]["_errors"][0]["code"].is_string());
    let (status, refused) = bot.ask(Method::PUT, &path, Some(json!([record(), bad]))).await;
    assert_eq!(status, 400);
    assert!(refused["errors"]["1"].is_object(), "{refused}");

    let other = json!([{"name": "stop", "description": "Stops"}]);
    let (status, list) = bot.ask(Method::PUT, &path, Some(other)).await;
    assert_eq!(
        (status, list.as_array().unwrap().len(), &list[0]["name"]),
        (200, 1, &json!("stop"))
    );
    let (status, body) = bot.ask(Method::GET, &one, None).await;
    assert_eq!((status, &body["code"]), (404, &json!(10_063)));
    let stop = format!("{path}/{}", list[0]["id"].as_str().unwrap());
    assert_eq!(bot.ask(Method::DELETE, &stop, None).await.0, 204);
    assert!(standin.control().commands().await.unwrap().is_empty());

    let global = format!("/applications/{}/commands", bot.info.application_id);
    assert_eq!(bot.ask(Method::PUT, &global, Some(json!([record()]))).await.0, 200);
    let known = standin.control().commands().await.unwrap();
    assert_eq!((known.len(), &known[0].guild_id), (1, &None));
    let (status, body) = bot.ask(Method::GET, "/applications/5/commands", None).await;
    assert_eq!((status, &body["code"]), (403, &json!(20_012)));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_command_is_answered_followed_up_changed_and_taken_back() {
    let standin = standin().await;
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    let mut bot = commander(standin.info()).await;
    bot.ask(Method::POST, &bot.commands(), Some(record())).await;
    let (used, event) = bot.is_used(&control).await;
    assert_eq!(used.state, InteractionState::Pending);
    assert_eq!(event["id"], used.id.as_str());
    assert_eq!(
        event["data"]["options"],
        json!([{"name": "minutes", "type": 4, "value": 5}])
    );
    assert_eq!(event["member"]["user"]["id"], alice.id.as_str());
    let token = event["token"].as_str().unwrap().to_owned();
    let callback = format!("/interactions/{}/{token}/callback", used.id);
    let webhook = format!("/webhooks/{}/{token}", bot.info.application_id);

    let early = bot
        .answer(Method::POST, &webhook, Some(json!({"content": "early"})))
        .await;
    assert_eq!((early.0, &early.1["code"]), (404, &json!(10_015)));
    let (status, body) = bot.answer(Method::POST, &callback, Some(json!({"type": 1}))).await;
    assert_eq!((status, &body["code"]), (400, &json!(50_035)), "no answer to a command");
    let hello = json!({"type": 4, "data": {"content": "recording", "flags": 64}});
    assert_eq!(bot.answer(Method::POST, &callback, Some(hello.clone())).await.0, 204);
    let (status, body) = bot.answer(Method::POST, &callback, Some(hello)).await;
    assert_eq!((status, &body["code"]), (400, &json!(40_060)));

    let (status, follow) = bot
        .answer(Method::POST, &webhook, Some(json!({"content": "still"})))
        .await;
    assert_eq!((status, &follow["author"]["id"]), (200, &json!(bot.info.bot_user_id)));
    let original = format!("{webhook}/messages/@original");
    let (status, first) = bot.answer(Method::GET, &original, None).await;
    assert_eq!(
        (status, &first["content"], &first["flags"]),
        (200, &json!("recording"), &json!(64))
    );
    let (_, edited) = bot
        .answer(Method::PATCH, &original, Some(json!({"content": "done"})))
        .await;
    assert_eq!((&edited["id"], &edited["content"]), (&first["id"], &json!("done")));
    let follow = format!("{webhook}/messages/{}", follow["id"].as_str().unwrap());
    assert_eq!(bot.answer(Method::DELETE, &follow, None).await.0, 204);
    assert_eq!(bot.answer(Method::GET, &follow, None).await.0, 404);

    let seen = control.interaction(&used.id).await.unwrap();
    assert_eq!(seen.state, InteractionState::Answered);
    let told: Vec<_> = seen
        .replies
        .iter()
        .map(|reply| (reply.content.as_str(), reply.ephemeral, reply.original, reply.deleted))
        .collect();
    assert_eq!(told, [("done", true, true, false), ("still", false, false, true)]);
    assert!(
        control.state().await.unwrap().messages.is_empty(),
        "a whisper is in no channel"
    );
    standin.shutdown().await;
}

#[tokio::test]
async fn a_deferred_answer_comes_with_the_first_follow_up_or_change() {
    let standin = standin().await;
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let mut bot = commander(standin.info()).await;
    bot.ask(Method::POST, &bot.commands(), Some(record())).await;
    for method in [Method::POST, Method::PATCH] {
        let (used, event) = bot.is_used(&control).await;
        let token = event["token"].as_str().unwrap().to_owned();
        let callback = format!("/interactions/{}/{token}/callback?with_response=true", used.id);
        let (status, body) = bot.answer(Method::POST, &callback, Some(json!({"type": 5}))).await;
        assert_eq!(
            (status, &body["interaction"]["response_message_loading"]),
            (200, &json!(true))
        );
        assert_eq!(
            control.interaction(&used.id).await.unwrap().state,
            InteractionState::Deferred
        );
        let mut path = format!("/webhooks/{}/{token}", bot.info.application_id);
        if method == Method::PATCH {
            path += "/messages/@original";
        }
        let (status, _) = bot.answer(method, &path, Some(json!({"content": "ready"}))).await;
        assert_eq!(status, 200);
        let seen = control.interaction(&used.id).await.unwrap();
        assert_eq!(seen.state, InteractionState::Answered);
        assert!(seen.replies[0].original);
        let message = bot.bot.socket.event("MESSAGE_CREATE").await;
        assert_eq!(message["id"], seen.replies[0].id.as_str());
    }
    standin.shutdown().await;
}

#[tokio::test]
async fn an_answer_after_three_seconds_is_too_late() {
    let standin = standin().await;
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let mut bot = commander(standin.info()).await;
    bot.ask(Method::POST, &bot.commands(), Some(record())).await;
    let (used, event) = bot.is_used(&control).await;
    tokio::time::sleep(Duration::from_millis(3_050)).await;
    assert_eq!(
        control.interaction(&used.id).await.unwrap().state,
        InteractionState::TimedOut
    );
    let callback = format!(
        "/interactions/{}/{}/callback",
        used.id,
        event["token"].as_str().unwrap()
    );
    let late = json!({"type": 4, "data": {"content": "late"}});
    let (status, body) = bot.answer(Method::POST, &callback, Some(late)).await;
    assert_eq!((status, &body["code"]), (404, &json!(10_062)));
    standin.shutdown().await;
}

#[tokio::test]
async fn people_use_only_what_exists_what_they_may_and_with_proper_options() {
    let standin = standin().await;
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let bot = commander(standin.info()).await;
    let proper = bot.used(json!({"minutes": 5}));
    assert!(
        control.use_command("alice", &proper).await.is_err(),
        "not registered yet"
    );
    let mut guarded = record();
    guarded["default_member_permissions"] = json!((1 << 22).to_string());
    bot.ask(Method::POST, &bot.commands(), Some(guarded)).await;
    assert!(
        control.use_command("alice", &proper).await.is_err(),
        "for moderators only"
    );
    bot.ask(Method::POST, &bot.commands(), Some(record())).await;
    for wrong in [json!({}), json!({"minutes": 0}), json!({"minutes": "five"})] {
        let refused = control.use_command("alice", &bot.used(wrong.clone())).await;
        assert!(refused.is_err(), "{wrong}");
    }
    control.use_command("alice", &proper).await.unwrap();
    let nobody = UseCommand {
        options: Map::new(),
        bot: Some("nobody".to_owned()),
        ..proper
    };
    assert!(control.use_command("alice", &nobody).await.is_err());
    assert_eq!(control.interactions().await.unwrap().len(), 1);
    standin.shutdown().await;
}
