//! Application commands: registering them for a guild or for everywhere.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use super::answer::{Bot, Refusal, body, check_member, created, ok};
use crate::{
    discord::Discord,
    interactions::{
        Interactions,
        commands::{Command, Definition, MOST_SLASH_COMMANDS},
        form::FormErrors,
    },
    snowflake::Snowflake,
};

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route(
            "/applications/{application}/commands",
            get(all).post(register).put(replace),
        )
        .route(
            "/applications/{application}/commands/{command}",
            get(one).patch(change).delete(delete),
        )
        .route(
            "/applications/{application}/guilds/{guild}/commands",
            get(all).post(register).put(replace),
        )
        .route(
            "/applications/{application}/guilds/{guild}/commands/{command}",
            get(one).patch(change).delete(delete),
        )
}

/// The parameters of all these paths.
#[derive(Debug, serde::Deserialize)]
struct Named {
    application: String,
    #[serde(default)]
    guild: Option<String>,
    #[serde(default)]
    command: Option<String>,
}

/// Where an application has commands: in a guild, or everywhere.
type Place = (Snowflake, Option<Snowflake>);

/// A bot manages the commands of its own application, in a guild that it is in.
fn place(discord: &Discord, bot: Snowflake, named: &Named) -> Result<Place, Refusal> {
    if named.application.parse() != Ok(bot) {
        return Err(Refusal::NotYourApplication);
    }
    let Some(guild) = &named.guild else {
        return Ok((bot, None));
    };
    let found = guild.parse().ok().and_then(|id| discord.server(id));
    let server = found.ok_or(Refusal::UnknownGuild)?;
    let guild = &server.world.lock().guild;
    check_member(guild, bot)?;
    Ok((bot, Some(guild.id())))
}

fn find(interactions: &Interactions, (application, guild): Place, named: &Named) -> Result<Command, Refusal> {
    let id = named.command.as_ref().and_then(|id| id.parse().ok());
    let mut commands = interactions.of(application, guild);
    let found = commands.find(|command| Some(command.id) == id);
    found.cloned().ok_or(Refusal::UnknownCommand)
}

fn listed(interactions: &Interactions, (application, guild): Place) -> Response {
    let commands: Vec<_> = interactions.of(application, guild).map(Command::json).collect();
    ok(&json!(commands))
}

async fn all(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
) -> Result<Response, Refusal> {
    let place = place(&discord, bot, &named)?;
    let interactions = discord.interactions.lock();
    Ok(listed(&interactions, place))
}

async fn one(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
) -> Result<Response, Refusal> {
    let place = place(&discord, bot, &named)?;
    let interactions = discord.interactions.lock();
    Ok(ok(&find(&interactions, place, &named)?.json()))
}

async fn register(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let definition = Definition::read(body(&bytes)?).map_err(Refusal::InvalidForm)?;
    let place = place(&discord, bot, &named)?;
    let mut interactions = discord.interactions.lock();
    let (command, new) = keep(&mut interactions, place, definition, discord.ids.fresh())?;
    Ok(if new {
        created(&command.json())
    } else {
        ok(&command.json())
    })
}

/// Registers exactly these commands: all of them, or none when one is wrong.
async fn replace(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let definitions = read_all(body(&bytes)?).map_err(Refusal::InvalidForm)?;
    let place = place(&discord, bot, &named)?;
    let mut interactions = discord.interactions.lock();
    let kept = |command: &Command| {
        let same = |new: &Definition| new.name == command.definition.name && new.kind == command.definition.kind;
        definitions.iter().any(same)
    };
    interactions
        .commands
        .retain(|_, command| (command.application, command.guild) != place || kept(command));
    for definition in definitions {
        keep(&mut interactions, place, definition, discord.ids.fresh())?;
    }
    Ok(listed(&interactions, place))
}

fn read_all(values: Vec<Value>) -> Result<Vec<Definition>, FormErrors> {
    let mut errors = FormErrors::default();
    let mut definitions: Vec<Definition> = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        match Definition::read(value) {
            Err(wrong) => errors.below(&[index.to_string()], wrong),
            Ok(new) => {
                let same = |known: &Definition| known.name == new.name && known.kind == new.kind;
                if definitions.iter().any(same) {
                    let text = "Application command names must be unique";
                    errors.add(&[index.to_string()], "APPLICATION_COMMANDS_DUPLICATE_NAME", text);
                }
                definitions.push(new);
            }
        }
    }
    if definitions.len() > MOST_SLASH_COMMANDS {
        errors.add(&[], "BASE_TYPE_BAD_LENGTH", "Must be 100 or fewer in length.");
    }
    errors.into_result().map(|()| definitions)
}

async fn change(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let changes: Map<String, Value> = body(&bytes)?;
    let place = place(&discord, bot, &named)?;
    let mut interactions = discord.interactions.lock();
    let mut command = find(&interactions, place, &named)?;
    let mut value = json!(command.definition);
    if let Some(fields) = value.as_object_mut() {
        fields.extend(changes);
    }
    command.definition = Definition::read(value).map_err(Refusal::InvalidForm)?;
    command.version = discord.ids.fresh();
    interactions.commands.insert(command.id, command.clone());
    Ok(ok(&command.json()))
}

async fn delete(
    State(discord): State<Arc<Discord>>,
    Bot(bot): Bot,
    Path(named): Path<Named>,
) -> Result<Response, Refusal> {
    let place = place(&discord, bot, &named)?;
    let mut interactions = discord.interactions.lock();
    let command = find(&interactions, place, &named)?;
    interactions.commands.remove(&command.id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn keep(
    interactions: &mut Interactions,
    (application, guild): Place,
    definition: Definition,
    fresh: Snowflake,
) -> Result<(Command, bool), Refusal> {
    interactions
        .register(application, guild, definition, fresh)
        .map_err(Refusal::InvalidForm)
}
