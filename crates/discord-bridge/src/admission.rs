//! May the bot join this voice channel? Each answer is by its real cause (S8).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bridge_kit::media::Overload;
use signalling::{Refusal, RejectReason};

use crate::gateway::facts::{ChannelFacts, ChannelKind, Floor, Place, UserId, VoiceChannel};

/// How much this bridge carries at the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Voice channels that are joined or being joined.
    pub(crate) joined: usize,
    /// The most that are allowed.
    pub(crate) max: usize,
    /// The media threads cannot take on more.
    pub(crate) overload: Option<Overload>,
}

/// What holds a bot back that Discord's facts do not show.
#[derive(Debug, Default)]
pub(crate) struct Commitments {
    /// The channel of the same guild that the bot serves already, and its name.
    pub(crate) elsewhere: Option<String>,
    /// Whether another room has this very channel.
    pub(crate) taken: bool,
}

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_mins(1);

/// Decides on a request for the voice channel at `place`.
pub(crate) fn admit(
    place: &Place,
    commitments: &Commitments,
    load: Load,
    known_bridges: &[UserId],
) -> Result<VoiceChannel, Refusal> {
    let facts = usable(place)?;
    check_loop(facts, commitments, known_bridges)?;
    if load.joined >= load.max {
        let text = format!(
            "this bridge is in {} voice channels already, which is as many as it is set to carry",
            load.max
        );
        return Err(Refusal::new(RejectReason::AtCapacity, text).retry_after(LATER));
    }
    if let Some(overload) = load.overload {
        let text = format!("this bridge cannot keep up with the calls that it has: {overload}");
        return Err(Refusal::new(RejectReason::AtCapacity, text).retry_after(SOON));
    }
    // The bridge's own limits come first: what Discord would allow is no use without room for it.
    check_discord_limits(facts, commitments)?;
    Ok(facts.at)
}

/// Whether there is such a voice channel, and the bot may hear and speak in it.
pub(crate) fn usable(place: &Place) -> Result<&ChannelFacts, Refusal> {
    let facts = find(place)?;
    check_kind(facts)?;
    check_permissions(facts)?;
    Ok(facts)
}

fn find(place: &Place) -> Result<&ChannelFacts, Refusal> {
    Err(match place {
        Place::Known(facts) => return Ok(facts),
        Place::Offline => Refusal::new(
            RejectReason::DiscordLimit,
            "the bridge has no connection to Discord at the moment",
        )
        .retry_after(SOON),
        Place::UnavailableGuild => {
            Refusal::new(RejectReason::DiscordLimit, "Discord says that the server has an outage").retry_after(LATER)
        }
        Place::UnknownGuild => Refusal::new(
            RejectReason::NoCapability,
            "the bridge's bot is not a member of the linked Discord server",
        ),
        Place::UnknownChannel => Refusal::new(RejectReason::NotBridged, "the linked Discord channel does not exist"),
        Place::HiddenChannel => hidden(),
    })
}

fn check_kind(facts: &ChannelFacts) -> Result<(), Refusal> {
    let what = match facts.kind {
        ChannelKind::Voice if facts.afk => "the channel for people who are away, where nobody can speak",
        ChannelKind::Voice | ChannelKind::Stage(Floor::Free | Floor::OnRequest) => return Ok(()),
        ChannelKind::Stage(Floor::Closed) => return Err(closed_stage(&facts.name)),
        ChannelKind::Text => "not a voice channel",
    };
    Err(Refusal::new(
        RejectReason::NoCapability,
        format!("the linked Discord channel “{}” is {what}", facts.name),
    ))
}

fn closed_stage(name: &str) -> Refusal {
    let text = format!(
        "the linked Discord channel “{name}” is a stage, where the bridge's bot may not even ask to speak; \
         the permission for that is “Request to Speak”"
    );
    Refusal::new(RejectReason::DiscordLimit, text).retry_after(LATER)
}

fn hidden() -> Refusal {
    Refusal::new(
        RejectReason::NoPermission,
        "the bridge's bot lacks the permission “View Channel” for the linked Discord channel",
    )
}

/// Whether the bot may hear and speak in a channel.
pub(crate) fn check_permissions(facts: &ChannelFacts) -> Result<(), Refusal> {
    if !facts.permissions.view {
        // Discord tells neither the name of such a channel nor what else is not allowed there.
        return Err(hidden());
    }
    let missing = facts.permissions.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the bridge's bot lacks the permission {} in the Discord channel “{}”",
        missing
            .iter()
            .map(|name| format!("“{name}”"))
            .collect::<Vec<_>>()
            .join(" and "),
        facts.name
    );
    Err(Refusal::new(RejectReason::NoPermission, text))
}

/// Two ways round make a loop: a second Matrix room on the same voice channel, and a second bridge in it.
fn check_loop(facts: &ChannelFacts, commitments: &Commitments, known_bridges: &[UserId]) -> Result<(), Refusal> {
    let text = if commitments.taken {
        "carries another Matrix room already; bridging it twice would make a loop"
    } else if facts.members.iter().any(|member| known_bridges.contains(member)) {
        "has another bridge in it already; a second one would make a loop"
    } else {
        return Ok(());
    };
    Err(Refusal::new(
        RejectReason::NotBridged,
        format!("the Discord channel “{}” {text}", facts.name),
    ))
}

fn check_discord_limits(facts: &ChannelFacts, commitments: &Commitments) -> Result<(), Refusal> {
    if let Some(other) = &commitments.elsewhere {
        let text =
            format!("Discord lets a bot into one voice channel of a server at a time, and this one is in “{other}”");
        return Err(Refusal::new(RejectReason::DiscordLimit, text).retry_after(LATER));
    }
    let full = facts.user_limit > 0 && facts.members.len() >= facts.user_limit as usize;
    if full && !facts.permissions.exceed_limit {
        let text = format!(
            "the Discord channel “{}” is full: it takes {} people",
            facts.name, facts.user_limit
        );
        return Err(Refusal::new(RejectReason::DiscordLimit, text).retry_after(SOON));
    }
    Ok(())
}

/// How often the bot may move between voice channels.
///
/// Discord closes a gateway connection that sends more than 120 commands a minute (4008); joining and leaving are one each,
/// and heartbeats need the rest.
#[derive(Debug, Default)]
pub(crate) struct JoinBudget {
    recent: VecDeque<Instant>,
}

impl JoinBudget {
    const PER_WINDOW: usize = 50;
    const WINDOW: Duration = Duration::from_mins(1);

    /// Takes one join from the budget.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Refusal> {
        while self
            .recent
            .front()
            .is_some_and(|join| now.saturating_duration_since(*join) >= Self::WINDOW)
        {
            self.recent.pop_front();
        }
        match self.recent.front() {
            Some(oldest) if self.recent.len() >= Self::PER_WINDOW => {
                let wait = Self::WINDOW.saturating_sub(now.saturating_duration_since(*oldest));
                let text = "Discord limits how often a bot may join voice channels, and the limit is reached";
                Err(Refusal::new(RejectReason::DiscordLimit, text).retry_after(wait))
            }
            _ => {
                self.recent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
