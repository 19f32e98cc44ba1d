//! People use commands, and what bots make of it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};

use super::{
    answer::{self, Answer, Refusal},
    types::{Command, Interaction, InteractionReply, UseCommand},
};
use crate::{interactions, server::Server};

pub(super) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/commands", get(commands))
        .route("/people/{who}/command", post(use_command))
        .route("/interactions", get(all))
        .route("/interactions/{id}", get(one))
}

async fn commands(State(server): State<Arc<Server>>) -> Json<Vec<Command>> {
    let world = server.world.lock();
    let commands = world.interactions.commands.values().map(|command| Command {
        id: command.id.to_string(),
        name: command.definition.name.clone(),
        application_id: command.application.to_string(),
        guild_id: command.guild.map(|guild| guild.to_string()),
        definition: command.json(),
    });
    Json(commands.collect())
}

async fn use_command(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(asked): Json<UseCommand>,
) -> Answer<Interaction> {
    let user = answer::person(&server, &who)?;
    let bot = asked.bot.as_ref().map(|bot| answer::user(&server, bot)).transpose()?;
    let channel = answer::channel(&server.world.lock().guild, &asked.channel_id)?;
    let interaction = server
        .use_command(user, bot, channel, &asked.name, &asked.options)
        .map_err(Refusal::Conflict)?;
    Ok(Json(view(&interaction, server.clock.now_ns())))
}

async fn all(State(server): State<Arc<Server>>) -> Json<Vec<Interaction>> {
    let now = server.clock.now_ns();
    let world = server.world.lock();
    Json(world.interactions.iter().map(|known| view(known, now)).collect())
}

async fn one(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer<Interaction> {
    let now = server.clock.now_ns();
    let world = server.world.lock();
    let found = id.parse().ok().and_then(|id| world.interactions.get(id));
    found
        .map(|interaction| Json(view(interaction, now)))
        .ok_or_else(|| Refusal::NotFound(format!("no interaction has the id {id}")))
}

fn view(interaction: &interactions::Interaction, now_ns: u64) -> Interaction {
    Interaction {
        id: interaction.id.to_string(),
        command: interaction.command.clone(),
        application_id: interaction.application.to_string(),
        user_id: interaction.user.to_string(),
        channel_id: interaction.channel.to_string(),
        created_at_ns: interaction.created_ns,
        acknowledged_at_ns: interaction.acknowledged.map(|(_, at_ns)| at_ns),
        state: interaction.state(now_ns),
        replies: interaction.replies.iter().map(reply).collect(),
    }
}

fn reply(reply: &interactions::Reply) -> InteractionReply {
    InteractionReply {
        id: reply.message.id.to_string(),
        content: reply.message.content.clone(),
        embeds: reply.embeds.clone(),
        ephemeral: reply.ephemeral,
        original: reply.original,
        edits: reply.edits,
        deleted: reply.deleted,
    }
}
