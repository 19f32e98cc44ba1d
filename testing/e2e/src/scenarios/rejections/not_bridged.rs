//! Rooms without a link that counts. The voice bridge sees that itself and does not ask; whoever asks in its place is told
//! the same by the Discord bridge, which takes nobody's word for it.

use super::{Desk, Expected, REJECTED_WITHIN, code_check};
use crate::scenarios::bench::Bench;
use crate::scenarios::silent_call::SilentCall;
use crate::stack::{BridgedRoom, Person};
use anyhow::Result;
use discord_standin::types::ChannelKind;
use serde_json::json;

/// What the voice bridge tells people whose room has no link.
const NOTICE: &str = "not bridged";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let mut desk = Desk::open(bench).await?;
    let info = desk.stack.standin()?.info.clone();

    let room = desk
        .stack
        .unlinked_room("no link", &info.guild_id, &info.voice_channel_id)
        .await?;
    desk.is_not_bridged(bench, &room, "a room without a link", ("not_bridged", "not bridged"))
        .await?;

    let room = desk
        .stack
        .unlinked_room("a stranger's link", &info.guild_id, &info.voice_channel_id)
        .await?;
    let stranger = desk.stack.person("stranger", &room).await?;
    link(&stranger, &room).await?;
    desk.is_not_bridged(
        bench,
        &room,
        "a link that nobody trusts",
        ("not_bridged", "trusted_bridges"),
    )
    .await?;

    let control = &desk.stack.standin()?.control;
    let channel = control.create_channel("no longer", ChannelKind::Voice, 0).await?;
    let room = desk.room("no longer", &channel.id).await?;
    let call = desk.answered_call(&room).await?;
    call.hang_up().await?;
    desk.stack.unlink(&room).await?;
    desk.is_not_bridged(
        bench,
        &room,
        "a link that was removed",
        ("no_longer_bridged", "no longer bridged"),
    )
    .await?;
    desk.close(bench).await
}

impl Desk {
    /// The people of a room are told that it is not bridged, and whoever asks for its channel gets this code and text.
    async fn is_not_bridged(
        &mut self,
        bench: &mut Bench,
        room: &BridgedRoom,
        case: &'static str,
        (reason, words): (&'static str, &'static str),
    ) -> Result<()> {
        let call = SilentCall::place(&self.stack, room).await?;
        self.is_told(bench, call, case, NOTICE).await;
        self.control.request(&room.id).await?;
        let reject = self.control.said("vdp.channel.reject", &room.id, REJECTED_WITHIN).await;
        let expected = Expected {
            reason,
            words,
            retry_after: None,
        };
        code_check(bench, case, &reject, &expected);
        Ok(())
    }
}

/// Somebody whom the bridges do not trust links the room.
async fn link(somebody: &Person, room: &BridgedRoom) -> Result<()> {
    let link = json!({
        "protocol": { "id": "discord" }, "network": { "id": room.guild_id }, "channel": { "id": room.channel_id },
    });
    somebody.set_state(&room.id, "m.bridge", "by a stranger", link).await
}
