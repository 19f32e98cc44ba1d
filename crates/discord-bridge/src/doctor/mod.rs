//! The Discord part of `doctor`: asks first, then judges.

mod rooms;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bridge_kit::config::RoomTarget;
use bridge_kit::doctor::{Finding, Visit};
use signalling::RejectReason;

use crate::admission;
use crate::config::Own;
use crate::gateway::api;
use crate::gateway::facts::Place;
use crate::gateway::inspection::{self, Application, Bot, Logins, Untold};
use crate::links::{LinkError, Target};

/// What an invitation has to ask for: View Channel, Connect and Speak.
const PERMISSIONS: u64 = 1 << 10 | 1 << 20 | 1 << 21;

/// What Discord answered. What was not asked, because the token was refused, is `None`.
pub(crate) struct Answers {
    bot: Result<Bot, Untold>,
    application: Option<Result<Application, Untold>>,
    logins: Option<Result<Logins, Untold>>,
    is_anywhere: Option<Result<bool, Untold>>,
    channels: Vec<(String, Looked)>,
}

/// What came of looking at a voice channel.
enum Looked {
    /// Its name is none of Discord's.
    Misnamed(LinkError),
    /// Discord was asked.
    Asked(Result<Place, Untold>),
}

/// Tries the token, the application, and the channels that are named in the configuration or asked for.
pub(crate) async fn examine(visit: &Visit<'_, Own>) -> Vec<Finding> {
    let mut findings = findings(&ask(visit).await);
    let powerless = rooms::ask(visit.config).await;
    findings.extend(powerless.map(|powerless| rooms::finding(visit.config, &powerless)));
    findings
}

async fn ask(visit: &Visit<'_, Own>) -> Answers {
    let http = api::http(&visit.config.own.discord);
    let mut answers = Answers {
        bot: inspection::bot(&http).await,
        application: None,
        logins: None,
        is_anywhere: None,
        channels: Vec::new(),
    };
    let Ok(bot) = &answers.bot else {
        return answers;
    };
    answers.application = Some(inspection::application(&http).await);
    answers.logins = Some(inspection::logins(&http).await);
    answers.is_anywhere = Some(inspection::is_anywhere(&http).await);
    let configured = visit.config.links.rooms.values();
    let names: BTreeSet<String> = configured.chain(&visit.questions.channels).map(name).collect();
    for name in names {
        let mut parts = name.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        let looked = match Target::named(part(), part(), part()) {
            Ok(target) => Looked::Asked(inspection::place(&http, bot.id, target).await),
            Err(error) => Looked::Misnamed(error),
        };
        answers.channels.push((name, looked));
    }
    answers
}

fn name(target: &RoomTarget) -> String {
    let RoomTarget {
        protocol,
        network_id,
        channel_id,
    } = target;
    format!("{protocol}/{network_id}/{channel_id}")
}

/// What the answers mean.
fn findings(answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![token(&answers.bot)];
    findings.extend(answers.application.as_ref().map(intents));
    findings.extend(answers.logins.as_ref().map(logins));
    let application = answers.application.as_ref().and_then(|answer| answer.as_ref().ok());
    let invite = invitation(application);
    findings.extend(answers.is_anywhere.as_ref().map(|answer| membership(answer, &invite)));
    for (name, looked) in &answers.channels {
        findings.push(channel(name, looked, &invite));
    }
    if answers.bot.is_ok() && answers.channels.is_empty() {
        findings.push(Finding::note(
            "no voice channel was looked at",
            "name those that are bridged by `--channel discord/GUILD/CHANNEL`",
        ));
    }
    findings
}

fn token(answer: &Result<Bot, Untold>) -> Finding {
    match answer {
        Ok(bot) => Finding::fine(format!(
            "discord.token: it is that of the bot “{}” ({})",
            bot.name, bot.id
        )),
        Err(error) if error.status() == Some(401) => Finding::fault(
            "discord.token: Discord refuses it",
            "copy it anew from the developer portal (Bot, Reset Token), without `Bot ` before it",
        ),
        Err(error) => away(error),
    }
}

fn away(error: &Untold) -> Finding {
    Finding::fault(
        format!("Discord's API cannot be used ({error})"),
        "see that this machine reaches https://discord.com, or what discord.api_base names, and that Discord has no outage",
    )
}

fn intents(answer: &Result<Application, Untold>) -> Finding {
    match answer {
        Err(error) => away(error),
        Ok(application) if application.missing_intents.is_empty() => {
            Finding::fine("discord: the bot may have the intents that the bridge asks for")
        }
        Ok(application) => Finding::fault(
            format!(
                "discord: the bot lacks the {}",
                application.missing_intents.join(" and the ")
            ),
            "switch it on in the developer portal (Bot, Privileged Gateway Intents)",
        ),
    }
}

fn logins(answer: &Result<Logins, Untold>) -> Finding {
    match answer {
        Err(error) => away(error),
        Ok(logins) if logins.left == 0 => Finding::fault(
            format!(
                "discord: the bot has logged in {} times, which is as often as it may",
                logins.total
            ),
            format!(
                "wait for {} min, and find out what starts it over and over",
                logins.renewed_in.as_secs().div_ceil(60)
            ),
        ),
        Ok(logins) => Finding::fine(format!("discord: the bot may log in {} times more", logins.left)),
    }
}

fn membership(answer: &Result<bool, Untold>, invite: &str) -> Finding {
    match answer {
        Err(error) => away(error),
        Ok(true) => Finding::fine("discord: the bot is a member of a server"),
        Ok(false) => Finding::fault("discord: the bot is a member of no server", invite),
    }
}

fn channel(name: &str, looked: &Looked, invite: &str) -> Finding {
    let place = match looked {
        Looked::Misnamed(error) => {
            return Finding::fault(
                format!("{name}: {error}"),
                "name the channel as discord/GUILD/CHANNEL, by their ids",
            );
        }
        Looked::Asked(Err(error)) => return away(error),
        Looked::Asked(Ok(place)) => place,
    };
    let refusal = match admission::usable(place) {
        Ok(facts) => return Finding::fine(format!("{name}: the bot may see, enter and speak in “{}”", facts.name)),
        Err(refusal) => refusal,
    };
    let advice = match (place, &refusal.reason) {
        (Place::UnknownGuild, _) => invite,
        (Place::UnknownChannel, _) => "correct the id, or link the room to a channel that there is",
        (_, RejectReason::NoPermission) => {
            "grant it to the bot's role, in the server's roles or in the channel's permissions"
        }
        _ => "link the room to a voice channel where the bot can speak",
    };
    Finding::fault(format!("{name}: {}", refusal.text), advice)
}

/// How the bot becomes a member of a server.
fn invitation(application: Option<&Application>) -> String {
    let id = application.map_or_else(|| "APPLICATION_ID".to_owned(), |application| application.id.to_string());
    format!(
        "let the server's owner open \
         https://discord.com/oauth2/authorize?client_id={id}&scope=bot&permissions={PERMISSIONS}"
    )
}
