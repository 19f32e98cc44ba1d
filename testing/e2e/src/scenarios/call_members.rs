//! Who is in the MatrixRTC call of a room, as the homeserver knows it.

use super::bench::Bench;
use super::signalling::bot;
use crate::stack::{CALL_MEMBER, Person, Stack, wait_for};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long what one does may take to reach the homeserver.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// The call of a room.
pub(crate) struct CallMembers {
    operator: Person,
    people: Vec<Person>,
    room: String,
}

impl CallMembers {
    /// Of these people, who are in the room.
    pub(crate) async fn of(stack: &Stack, room: &str, names: &[&str]) -> Result<Self> {
        let mut people = Vec::new();
        for name in names {
            people.push(stack.person_in(name, room).await?);
        }
        Ok(Self {
            operator: stack.operator.clone(),
            people,
            room: room.to_owned(),
        })
    }

    /// The same with the voice bridge among them.
    pub(crate) async fn with_bridge(stack: &Stack, room: &str, names: &[&str]) -> Result<Self> {
        let mut members = Self::of(stack, room, names).await?;
        members
            .people
            .push(bot(stack, &stack.voice_bridge, &stack.voice_bot())?);
        Ok(members)
    }

    /// `in_call` are in the call and nobody else: the homeserver would take each of them out if he vanished, and the
    /// room's state tells of those who take part `by_state`.
    pub(crate) async fn checks(&self, bench: &mut Bench, in_call: &[&str], by_state: &[&str]) -> Result<()> {
        let members = wait_for("the memberships to be as expected", KNOWN_WITHIN, || async {
            let members = self.by_state().await?;
            Ok((members == by_state).then_some(members))
        });
        let members = members.await;
        let passed = members.is_ok();
        let figure = members.unwrap_or_else(|error| vec![error.to_string()]);
        bench.check("who is in the call by state events", passed, format!("{figure:?}"));
        for person in &self.people {
            let wanted = usize::from(in_call.contains(&person.user_id.as_str()));
            let what = format!("delayed leaves of {}", person.user_id);
            let scheduled = wait_for(&what, KNOWN_WITHIN, || async {
                let scheduled = person.delayed_events().await?.len();
                Ok((scheduled == wanted).then_some(scheduled))
            });
            let scheduled = scheduled.await;
            bench.check(&what, scheduled.is_ok(), format!("{wanted} expected, {scheduled:?}"));
        }
        Ok(())
    }

    /// Waits until somebody is no member by the room's state, and says how long that took.
    pub(crate) async fn gone(&self, who: &str, within: Duration) -> Result<Duration> {
        let started = Instant::now();
        wait_for(&format!("{who} to be gone from the call"), within, || async {
            let members = self.by_state().await?;
            Ok((!members.iter().any(|member| member == who)).then(|| started.elapsed()))
        })
        .await
    }

    /// Who is in the call by the room's state, by name.
    async fn by_state(&self) -> Result<Vec<String>> {
        let state = self.operator.state(&self.room).await?;
        let members = state
            .iter()
            .filter(|event| event["type"] == CALL_MEMBER && event["content"]["application"] == "m.call");
        let mut members: Vec<_> = members
            .filter_map(|event| event["sender"].as_str().map(str::to_owned))
            .collect();
        members.sort();
        Ok(members)
    }
}
