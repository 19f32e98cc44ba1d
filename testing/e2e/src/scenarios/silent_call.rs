//! A call as a client places it, without sound: enough to see what the bridges agree on.

use crate::stack::{BridgedRoom, Person, Stack, wait_for};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;

/// An audio call as a browser offers it; no media ever follows.
const OFFER: &str = include_str!("offer.sdp");
/// How many events of a room are looked through.
const LATEST: usize = 50;

/// A call that rings, or is answered.
pub(crate) struct SilentCall {
    caller: Person,
    room: String,
    call_id: String,
    voice_bot: String,
}

impl SilentCall {
    /// Places a call in a room.
    pub(crate) async fn place(stack: &Stack, room: &BridgedRoom) -> Result<Self> {
        let caller = stack.person("caller", room).await?;
        Self::by(caller, &room.id, &stack.voice_bot()).await
    }

    /// Places a call of this member of a room.
    pub(crate) async fn by(caller: Person, room: &str, voice_bot: &str) -> Result<Self> {
        let call = Self {
            caller,
            room: room.to_owned(),
            call_id: format!("call-at-{}", crate::audio::unix_ms()),
            voice_bot: voice_bot.to_owned(),
        };
        let content = json!({
            "lifetime": 60_000,
            "offer": { "type": "offer", "sdp": OFFER.replace('\n', "\r\n") },
            "sdp_stream_metadata": { "stream": { "purpose": "m.usermedia", "audio_muted": false, "video_muted": true } },
        });
        call.say("m.call.invite", content).await?;
        Ok(call)
    }

    /// Waits until the bridge answers, which it does when the channel is open.
    pub(crate) async fn answered(&self, within: Duration) -> Result<()> {
        wait_for("the bridge to answer the call", within, || async {
            let events = self.bridge_events().await?;
            let answer = |event: &Value| self.concerns(event, "m.call.answer");
            Ok(events.iter().any(answer).then_some(()))
        })
        .await
    }

    /// Whether the bridge has ended the call, for everybody as clients take it.
    pub(crate) async fn is_ended(&self) -> Result<bool> {
        let events = self.bridge_events().await?;
        let end = |event: &Value| self.concerns(event, "m.call.reject") || self.concerns(event, "m.call.hangup");
        Ok(events.iter().any(end))
    }

    /// What the bridge has said to the room's people, the latest first.
    pub(crate) async fn notices(&self) -> Result<Vec<String>> {
        notices(&self.caller, &self.room, &self.voice_bot).await
    }

    /// Waits for a notice, and gives the latest.
    pub(crate) async fn told(&self, within: Duration) -> Result<String> {
        wait_for("a notice in the room", within, || async {
            Ok(self.notices().await?.into_iter().next())
        })
        .await
    }

    /// Hangs up.
    pub(crate) async fn hang_up(&self) -> Result<()> {
        self.say("m.call.hangup", json!({ "reason": "user_hangup" })).await
    }

    async fn say(&self, kind: &str, mut content: Value) -> Result<()> {
        content["version"] = "1".into();
        content["call_id"] = self.call_id.clone().into();
        content["party_id"] = "CALLER".into();
        self.caller.send(&self.room, kind, content).await
    }

    async fn bridge_events(&self) -> Result<Vec<Value>> {
        events_of(&self.caller, &self.room, &self.voice_bot).await
    }

    fn concerns(&self, event: &Value, kind: &str) -> bool {
        event["type"] == kind && event["content"]["call_id"] == self.call_id.as_str()
    }
}

/// The notices that somebody has posted in a room, the latest first.
pub(crate) async fn notices(reader: &Person, room: &str, sender: &str) -> Result<Vec<String>> {
    let events = events_of(reader, room, sender).await?.into_iter();
    let notice = |event: Value| {
        let content = &event["content"];
        (event["type"] == "m.room.message" && content["msgtype"] == "m.notice")
            .then(|| content["body"].as_str().map(str::to_owned))?
    };
    Ok(events.filter_map(notice).collect())
}

async fn events_of(reader: &Person, room: &str, sender: &str) -> Result<Vec<Value>> {
    let mut events = reader.latest(room, LATEST).await?;
    events.retain(|event| event["sender"] == sender);
    Ok(events)
}
