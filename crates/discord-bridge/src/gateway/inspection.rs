//! What Discord tells by its REST API alone, for a doctor who opens no session: the bot, its application, its place in guilds.

use std::time::Duration;

use serenity::all::{ApplicationFlags, GatewayIntents};
use serenity::http::{Http, HttpError};
use serenity::model::guild::PartialGuild;
use serenity::prelude::SerenityError;
use tokio::time::timeout;

use super::client::INTENTS;
use super::directory::facts_without_people;
use super::facts::{Place, UserId};
use crate::links::Target;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why Discord did not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untold {
    /// It said no.
    #[error("status {status}, {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// It did not say anything that makes sense.
    #[error("{0}")]
    Away(String),
}

impl Untold {
    /// The status of an answer that says no.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Away(_) => None,
        }
    }
}

/// The bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bot {
    pub(crate) id: UserId,
    pub(crate) name: String,
}

/// The application that the bot belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) id: u64,
    /// Names of the intents that the bridge asks for and the application has not switched on.
    pub(crate) missing_intents: Vec<&'static str>,
}

/// How many times a day the bot may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Logins {
    pub(crate) left: u64,
    pub(crate) total: u64,
    /// When there are as many again.
    pub(crate) renewed_in: Duration,
}

pub(crate) async fn bot(http: &Http) -> Result<Bot, Untold> {
    let user = told(http.get_current_user()).await?;
    Ok(Bot {
        id: user.id.into(),
        name: user.name.clone(),
    })
}

pub(crate) async fn application(http: &Http) -> Result<Application, Untold> {
    let application = told(http.get_current_application_info()).await?;
    Ok(Application {
        id: application.id.get(),
        missing_intents: missing(INTENTS, application.flags.unwrap_or_default()),
    })
}

pub(crate) async fn logins(http: &Http) -> Result<Logins, Untold> {
    let limit = told(http.get_bot_gateway()).await?.session_start_limit;
    Ok(Logins {
        left: limit.remaining,
        total: limit.total,
        renewed_in: Duration::from_millis(limit.reset_after),
    })
}

/// Whether the bot is a member of any guild.
pub(crate) async fn is_anywhere(http: &Http) -> Result<bool, Untold> {
    Ok(!told(http.get_guilds(None, Some(1))).await?.is_empty())
}

/// What a link leads to, and the bot's standing there.
pub(crate) async fn place(http: &Http, bot: UserId, target: Target) -> Result<Place, Untold> {
    let channel = told(http.get_channel(target.channel.into())).await;
    let guild = match (target.guild, &channel) {
        (Some(guild), _) => guild,
        (None, Ok(channel)) => match channel.clone().guild() {
            Some(channel) => channel.guild_id.into(),
            None => return Ok(Place::UnknownChannel),
        },
        (None, Err(error)) => return absent(error, Place::UnknownChannel),
    };
    let guild: PartialGuild = match told(http.get_guild(guild.into())).await {
        Ok(guild) => guild,
        Err(error) => return absent(&error, Place::UnknownGuild),
    };
    let member = match told(http.get_member(guild.id, bot.into())).await {
        Ok(member) => member,
        Err(error) => return absent(&error, Place::UnknownGuild),
    };
    Ok(match channel {
        Ok(channel) => match channel.guild().filter(|channel| channel.guild_id == guild.id) {
            Some(channel) => Place::Known(facts_without_people(&guild, &channel, &member)),
            None => Place::UnknownChannel,
        },
        Err(error) if error.status() == Some(403) => Place::HiddenChannel,
        Err(error) => return absent(&error, Place::UnknownChannel),
    })
}

/// What an answer means that says that there is no such thing, or that it is none of the bot's business.
fn absent(error: &Untold, place: Place) -> Result<Place, Untold> {
    if matches!(error.status(), Some(403 | 404)) {
        Ok(place)
    } else {
        Err(error.clone())
    }
}

/// Intents that are wanted and need a switch in the developer portal which is off.
fn missing(wanted: GatewayIntents, flags: ApplicationFlags) -> Vec<&'static str> {
    [
        (
            GatewayIntents::GUILD_PRESENCES,
            ApplicationFlags::GATEWAY_PRESENCE | ApplicationFlags::GATEWAY_PRESENCE_LIMITED,
            "Presence Intent",
        ),
        (
            GatewayIntents::GUILD_MEMBERS,
            ApplicationFlags::GATEWAY_GUILD_MEMBERS | ApplicationFlags::GATEWAY_GUILD_MEMBERS_LIMITED,
            "Server Members Intent",
        ),
        (
            GatewayIntents::MESSAGE_CONTENT,
            ApplicationFlags::GATEWAY_MESSAGE_CONTENT | ApplicationFlags::GATEWAY_MESSAGE_CONTENT_LIMITED,
            "Message Content Intent",
        ),
    ]
    .into_iter()
    .filter(|(intent, switches, _)| wanted.contains(*intent) && !flags.intersects(*switches))
    .map(|(_, _, name)| name)
    .collect()
}

async fn told<T>(answer: impl Future<Output = Result<T, SerenityError>>) -> Result<T, Untold> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| untold(&error)),
        Err(_) => Err(Untold::Away("no answer in time".to_owned())),
    }
}

fn untold(error: &SerenityError) -> Untold {
    match error {
        SerenityError::Http(HttpError::UnsuccessfulRequest(answer)) => Untold::Refused {
            status: answer.status_code.as_u16(),
            text: answer.error.message.clone(),
        },
        error => Untold::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_missing_that_is_wanted_and_switched_off() {
        let members = GatewayIntents::GUILDS | GatewayIntents::GUILD_MEMBERS;
        assert_eq!(missing(members, ApplicationFlags::empty()), ["Server Members Intent"]);
        for on in [
            ApplicationFlags::GATEWAY_GUILD_MEMBERS,
            ApplicationFlags::GATEWAY_GUILD_MEMBERS_LIMITED,
        ] {
            assert!(missing(members, on).is_empty());
        }
        assert_eq!(missing(GatewayIntents::all(), ApplicationFlags::empty()).len(), 3);
    }

    /// The bridge works with what every bot may have: what needs a switch would be a surprise to those who run it.
    #[test]
    fn the_bridge_needs_no_switch() {
        assert!(missing(INTENTS, ApplicationFlags::empty()).is_empty());
    }
}
