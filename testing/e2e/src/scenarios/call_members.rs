//! Who is in the MatrixRTC call of a room, as the homeserver knows it.

use super::bench::Bench;
use crate::stack::{CALL_MEMBER, Person, Stack, wait_for};
use anyhow::Result;
use std::time::Duration;

/// How long what one does may take to reach the homeserver.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// The call of a room with two people.
pub(crate) struct CallMembers {
    operator: Person,
    people: [Person; 2],
    room: String,
}

impl CallMembers {
    pub(crate) async fn of(stack: &Stack, room: String, [first, second]: [&str; 2]) -> Result<Self> {
        Ok(Self {
            operator: stack.operator.clone(),
            people: [
                stack.person_in(first, &room).await?,
                stack.person_in(second, &room).await?,
            ],
            room,
        })
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
