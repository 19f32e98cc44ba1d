//! People use commands, and what bots make of it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Path,
    routing::{get, post},
};

use super::{
    answer::{self, Answer, Here, Refusal},
    types::{Command, Interaction, InteractionReply, UseCommand},
};
use crate::{discord::Discord, interactions};

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/commands", get(commands))
        .route("/people/{who}/command", post(use_command))
        .route("/interactions", get(all))
        .route("/interactions/{id}", get(one))
}

async fn commands(Here(server): Here) -> Json<Vec<Command>> {
    let interactions = server.discord.interactions.lock();
    let commands = interactions.commands.values().map(|command| Command {
        id: command.id.to_string(),
        name: command.definition.name.clone(),
        application_id: command.application.to_string(),
        guild_id: command.guild.map(|guild| guild.to_string()),
        definition: command.json(),
    });
    Json(commands.collect())
}

async fn use_command(
    Here(server): Here,
    Path(who): Path<String>,
    Json(asked): Json<UseCommand>,
) -> Answer<Interaction> {
    let user = answer::person(&server, &who)?;
    let bot = asked.bot.as_ref().map(|bot| answer::user(&server, bot)).transpose()?;
    let channel = answer::channel(&server.world.lock().guild, &asked.channel_id)?;
    let interaction = server
        .use_command(user, bot, channel, &asked.name, &asked.options)
        .map_err(Refusal::Conflict)?;
    Ok(Json(view(&interaction, server.discord.clock.now_ns())))
}

async fn all(Here(server): Here) -> Json<Vec<Interaction>> {
    let now = server.discord.clock.now_ns();
    let interactions = server.discord.interactions.lock();
    Json(interactions.iter().map(|known| view(known, now)).collect())
}

async fn one(Here(server): Here, Path(id): Path<String>) -> Answer<Interaction> {
    let now = server.discord.clock.now_ns();
    let interactions = server.discord.interactions.lock();
    let found = id.parse().ok().and_then(|id| interactions.get(id));
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
