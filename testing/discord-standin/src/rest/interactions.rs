//! A bot's answers to the commands that people use. The token in the path is all the authority that it needs.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Refusal, body, ok},
    channels::LONGEST_MESSAGE,
};
use crate::{
    discord::Discord,
    guild::{Message, json as object},
    interactions::{Acknowledged, Interaction, Interactions, Refused, Reply, form::FormErrors},
    server::Server,
    world::World,
};

const EPHEMERAL: u64 = 1 << 6;

/// Kinds of first answers to a command.
const MESSAGE: u8 = 4;
const DEFERRED: u8 = 5;

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/interactions/{interaction}/{token}/callback", post(callback))
        .route("/webhooks/{application}/{token}", post(follow_up))
        .route(
            "/webhooks/{application}/{token}/messages/{message}",
            get(message).patch(edit).delete(delete),
        )
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::UnknownInteraction,
            Refused::AlreadyAcknowledged => Self::AlreadyAcknowledged,
            Refused::NoSuchMessage => Self::UnknownWebhook,
            Refused::Expired => Self::InvalidWebhookToken,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    data: Option<Text>,
}

/// A message, as far as it matters here.
#[derive(Default, Deserialize)]
struct Text {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    embeds: Option<Vec<Value>>,
    #[serde(default)]
    flags: Option<u64>,
}

impl Text {
    fn is_ephemeral(&self) -> bool {
        self.flags.is_some_and(|flags| flags & EPHEMERAL != 0)
    }

    fn check(&self) -> Result<(), Refusal> {
        let content = self.content.as_deref().unwrap_or_default();
        if content.is_empty() && self.embeds.as_ref().is_none_or(Vec::is_empty) {
            return Err(Refusal::EmptyMessage);
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<(), Refusal> {
        let length = self.content.as_ref().map_or(0, |content| content.chars().count());
        if length > LONGEST_MESSAGE {
            let text = "Must be 2000 or fewer in length.";
            return Err(Refusal::InvalidForm(FormErrors::one(
                &["content"],
                "BASE_TYPE_MAX_LENGTH",
                text,
            )));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct WithResponse {
    #[serde(default)]
    with_response: Option<String>,
}

async fn callback(
    State(discord): State<Arc<Discord>>,
    Path((id, token)): Path<(String, String)>,
    Query(query): Query<WithResponse>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let Answer { kind, data } = body(&bytes)?;
    let text = data.unwrap_or_default();
    let now = discord.clock.now_ns();
    let mut interactions = discord.interactions.lock();
    let interaction = interactions.unanswered(&id, &token)?;
    let reply = match kind {
        MESSAGE => {
            text.check()?;
            interaction.acknowledge(Acknowledged::Answered, now)?;
            let interaction = interaction.clone();
            Some(reply(&discord, &mut interactions, &interaction, text, true)?)
        }
        DEFERRED => {
            let ephemeral = text.is_ephemeral();
            interaction.acknowledge(Acknowledged::Deferred { ephemeral }, now)?;
            None
        }
        _ => {
            let text = "Interaction callback type is invalid for the interaction type.";
            let errors = FormErrors::one(&["type"], "INTERACTION_APPLICATION_COMMAND_INVALID_CALLBACK_TYPE", text);
            return Err(Refusal::InvalidForm(errors));
        }
    };
    if !query
        .with_response
        .is_some_and(|wanted| matches!(&*wanted, "true" | "1"))
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let interaction = json!({
        "id": id, "type": 2, "response_message_id": reply.as_ref().map(|message| &message["id"]),
        "response_message_loading": kind == DEFERRED, "response_message_ephemeral": false,
    });
    Ok(ok(
        &json!({"interaction": interaction, "resource": {"type": kind, "message": reply}}),
    ))
}

async fn follow_up(
    State(discord): State<Arc<Discord>>,
    Path((application, token)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let text: Text = body(&bytes)?;
    text.check()?;
    let now = discord.clock.now_ns();
    let mut interactions = discord.interactions.lock();
    let interaction = interactions.answered(&application, &token, now)?.clone();
    let original = interaction.awaited().is_some();
    Ok(ok(&reply(&discord, &mut interactions, &interaction, text, original)?))
}

async fn message(
    State(discord): State<Arc<Discord>>,
    Path((application, token, which)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let now = discord.clock.now_ns();
    let mut interactions = discord.interactions.lock();
    let interaction = interactions.answered(&application, &token, now)?;
    let reply = interaction.reply(&which)?.clone();
    let interaction = interaction.clone();
    let server = guild_of(&discord, &interaction)?;
    let world = server.world.lock();
    Ok(ok(&show(&world, &interaction, &reply)))
}

async fn edit(
    State(discord): State<Arc<Discord>>,
    Path((application, token, which)): Path<(String, String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let text: Text = body(&bytes)?;
    let now = discord.clock.now_ns();
    let mut interactions = discord.interactions.lock();
    let interaction = interactions.answered(&application, &token, now)?;
    if which == "@original" && interaction.awaited().is_some() {
        // A deferred answer is given by changing it.
        text.check()?;
        let interaction = interaction.clone();
        return Ok(ok(&reply(&discord, &mut interactions, &interaction, text, true)?));
    }
    text.check_length()?;
    let known = interaction.reply(&which)?;
    known.edits += 1;
    known.message.content = text.content.unwrap_or_else(|| known.message.content.clone());
    known.embeds = text.embeds.unwrap_or_else(|| known.embeds.clone());
    let (known, interaction) = (known.clone(), interaction.clone());
    let server = guild_of(&discord, &interaction)?;
    let mut world = server.world.lock();
    let mut messages = world.guild.messages.iter_mut();
    if let Some(public) = messages.find(|public| public.id == known.message.id) {
        public.content.clone_from(&known.message.content);
    }
    Ok(ok(&show(&world, &interaction, &known)))
}

async fn delete(
    State(discord): State<Arc<Discord>>,
    Path((application, token, which)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let now = discord.clock.now_ns();
    let mut interactions = discord.interactions.lock();
    let interaction = interactions.answered(&application, &token, now)?;
    let known = interaction.reply(&which)?;
    known.deleted = true;
    let id = known.message.id;
    let server = guild_of(&discord, interaction)?;
    server.world.lock().guild.messages.retain(|message| message.id != id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The guild in which a command was used.
fn guild_of(discord: &Discord, interaction: &Interaction) -> Result<Arc<Server>, Refusal> {
    discord.server(interaction.guild).ok_or(Refusal::UnknownInteraction)
}

/// Keeps a message about an interaction, and posts it where everyone sees it unless it is for one person only.
fn reply(
    discord: &Discord,
    interactions: &mut Interactions,
    interaction: &Interaction,
    text: Text,
    original: bool,
) -> Result<Value, Refusal> {
    let ephemeral = match interaction.awaited() {
        Some(ephemeral) if original => ephemeral,
        _ => text.is_ephemeral(),
    };
    let content = text.content.unwrap_or_default();
    let now_ns = discord.clock.now_ns();
    let server = guild_of(discord, interaction)?;
    let mut world = server.world.lock();
    let message = if ephemeral {
        whisper(&world, interaction, content, now_ns)
    } else {
        let posted = world
            .guild
            .post(interaction.channel, interaction.application, content, None, now_ns);
        world.broadcast_message(&posted);
        posted
    };
    let reply = Reply {
        message,
        embeds: text.embeds.unwrap_or_default(),
        ephemeral,
        original,
        edits: 0,
        deleted: false,
    };
    let shown = show(&world, interaction, &reply);
    if let Ok(known) = interactions.unanswered(&interaction.id.to_string(), &interaction.token) {
        known.replies.push(reply);
    }
    Ok(shown)
}

/// A message that no channel keeps.
fn whisper(world: &World, interaction: &Interaction, content: String, at_ns: u64) -> Message {
    Message {
        id: world.guild.fresh_id(),
        channel: interaction.channel,
        author: interaction.application,
        author_name: world.guild.name_of(interaction.application),
        content,
        nonce: None,
        at_ns,
    }
}

fn show(world: &World, interaction: &Interaction, reply: &Reply) -> Value {
    let author = world.guild.accounts.get(&interaction.application);
    reply.dress(interaction, object::message(&reply.message, author))
}
