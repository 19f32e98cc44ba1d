//! Calls that cannot be bridged, each for its real cause: programs are told by a code, people once by a notice, and
//! nobody else's call is ended.

pub(super) mod capacity;
pub(super) mod discord_limit;
pub(super) mod no_capability;
pub(super) mod no_permission;
pub(super) mod not_bridged;

use super::bench::Bench;
use super::leftovers::{Footprint, nothing_is_left};
use super::signalling::ControlRoom;
use super::silent_call::SilentCall;
use crate::stack::{BridgedRoom, Stack};
use anyhow::Result;
use discord_standin::types::Overwrite;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a rejection may take; Discord itself is waited for in some.
const REJECTED_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take until a channel is open.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// Long enough for a second notice to arrive, if there were one.
const QUIET: Duration = Duration::from_secs(3);

/// What a rejection has to say.
#[derive(Clone, Copy)]
struct Expected {
    /// Its code.
    reason: &'static str,
    /// What is to be read in its text, and in the notice; in small letters.
    words: &'static str,
    /// After how many seconds to try again.
    retry_after: Option<u64>,
}

/// The calls of one scenario, and what the bridges held before them.
struct Desk {
    stack: Arc<Stack>,
    control: ControlRoom,
    before: Footprint,
    rejected: Vec<(&'static str, SilentCall)>,
}

impl Desk {
    async fn open(bench: &mut Bench) -> Result<Self> {
        let stack = bench.stack().await?;
        Ok(Self {
            control: ControlRoom::of(&stack).await?,
            before: Footprint::at_rest(&stack).await?,
            stack,
            rejected: Vec::new(),
        })
    }

    /// A room that is linked to a channel of the local Discord's guild.
    async fn room(&self, name: &str, channel_id: &str) -> Result<BridgedRoom> {
        let guild = &self.stack.standin()?.info.guild_id;
        self.stack.bridged_room(name, guild, channel_id).await
    }

    /// Takes a permission from the bot in a channel.
    async fn deny(&self, channel_id: &str, permission: &str) -> Result<()> {
        let standin = self.stack.standin()?;
        let overwrite = Overwrite {
            allow: Vec::new(),
            deny: vec![permission.to_owned()],
        };
        let bot = &standin.info.bot_user_id;
        Ok(standin.control.set_overwrite(channel_id, bot, &overwrite).await?)
    }

    /// A call that the bridge has answered: its channel is open.
    async fn answered_call(&self, room: &BridgedRoom) -> Result<SilentCall> {
        let call = SilentCall::place(&self.stack, room).await?;
        call.answered(ANSWERED_WITHIN).await?;
        Ok(call)
    }

    /// A call in this room is rejected as expected, in the control room and to the room's people.
    async fn is_rejected(
        &mut self,
        bench: &mut Bench,
        room: &BridgedRoom,
        case: &'static str,
        expected: Expected,
    ) -> Result<()> {
        let call = SilentCall::place(&self.stack, room).await?;
        let reject = self.control.said("vdp.channel.reject", &room.id, REJECTED_WITHIN).await;
        code_check(bench, case, &reject, &expected);
        self.is_told(bench, call, case, expected.words).await;
        Ok(())
    }

    /// The room's people are told of a call why it is not bridged.
    async fn is_told(&mut self, bench: &mut Bench, call: SilentCall, case: &'static str, words: &str) {
        let told = call.told(REJECTED_WITHIN).await;
        bench.check(
            &format!("{case}: the notice says why"),
            told.as_ref().is_ok_and(|text| text.to_lowercase().contains(words)),
            told.unwrap_or_else(|error| format!("{error:#}")),
        );
        self.rejected.push((case, call));
    }

    /// Another call in this room, where one was rejected, is bridged.
    async fn goes_through(&self, bench: &mut Bench, room: &BridgedRoom, case: &str) -> Result<()> {
        let call = SilentCall::place(&self.stack, room).await?;
        let answered = call.answered(ANSWERED_WITHIN).await;
        bench.check(
            &format!("{case}: a later call goes through"),
            answered.is_ok(),
            answered.map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned()),
        );
        call.hang_up().await
    }

    /// The call of another room goes on.
    async fn still_runs(&self, bench: &mut Bench, room: &BridgedRoom, call: &SilentCall) -> Result<()> {
        let open = self.control.open_channels().await?.contains_key(&room.id);
        let goes_on = open && !call.is_ended().await?;
        bench.check(
            "the call that runs is left alone",
            goes_on,
            if goes_on { "yes" } else { "it has ended" },
        );
        Ok(())
    }

    /// Nothing more is said of the calls that were rejected, none was ended for others, and nothing of them is left.
    async fn close(self, bench: &mut Bench) -> Result<()> {
        tokio::time::sleep(QUIET).await;
        for (case, call) in &self.rejected {
            let notices = call.notices().await?.len();
            bench.check(
                &format!("{case}: it is said once"),
                notices == 1,
                format!("{notices} notices"),
            );
            let ended = call.is_ended().await?;
            bench.check(
                &format!("{case}: the call of others is left alone"),
                !ended,
                if ended { "ended" } else { "yes" },
            );
            // It rings on, and a bridge that is started within its lifetime would take it up again.
            call.hang_up().await?;
        }
        nothing_is_left(bench, &self.stack, &self.before).await
    }
}

/// What programs are told.
fn code_check(bench: &mut Bench, case: &str, reject: &Result<Value>, expected: &Expected) {
    let Expected {
        reason,
        words,
        retry_after,
    } = expected;
    let as_expected = |event: &Value| {
        let content = &event["content"];
        let text = content["text"].as_str().unwrap_or_default().to_lowercase();
        content["reason"] == *reason && content["retry_after"].as_u64() == *retry_after && text.contains(words)
    };
    let figure = match reject {
        Ok(event) => {
            let content = &event["content"];
            format!(
                "{}, try again after {}",
                content["reason"],
                content["retry_after"]
                    .as_u64()
                    .map_or("no time".to_owned(), |seconds| format!("{seconds} s"))
            )
        }
        Err(error) => format!("{error:#}"),
    };
    bench.check(
        &format!("{case}: the code is {reason}"),
        reject.as_ref().is_ok_and(as_expected),
        figure,
    );
}
