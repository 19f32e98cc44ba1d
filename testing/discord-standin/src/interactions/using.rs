//! A person uses a command: the event that the bot gets.

use serde_json::{Map, Value, json};

use super::{Interaction, commands::Command, values::Values};
use crate::{
    guild::{Guild, json as object, permissions::Permissions},
    server::Server,
    snowflake::Snowflake,
};

impl Server {
    /// Lets a person use a slash command, as Discord would show it to him.
    ///
    /// # Errors
    /// Why it cannot be used: there is none, or he may not, or the options are wrong.
    pub(crate) fn use_command(
        &self,
        user: Snowflake,
        bot: Option<Snowflake>,
        channel: Snowflake,
        name: &str,
        given: &Map<String, Value>,
    ) -> Result<Interaction, String> {
        let mut interactions = self.discord.interactions.lock();
        let world = self.world.lock();
        let command = interactions.named(name, bot, world.guild.id()).cloned();
        let command = command.ok_or_else(|| format!("there is no command {name}"))?;
        let permissions = world.guild.permissions(user, channel);
        let needed = command.needed().unwrap_or_default() | Permissions::USE_APPLICATION_COMMANDS;
        if !permissions.contains(needed) {
            return Err(format!("no permission to use {name} here"));
        }
        let values = Values::read(&world.guild, &command.definition.options, given)?;
        let interaction = Interaction {
            id: world.guild.fresh_id(),
            token: format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()),
            application: command.application,
            command: command.definition.name.clone(),
            user,
            guild: world.guild.id(),
            channel,
            created_ns: self.discord.clock.now_ns(),
            acknowledged: None,
            replies: Vec::new(),
        };
        let event = event(&world.guild, &interaction, &command, &values);
        interactions.begin(interaction.clone());
        for session in world.sessions.lock().of_user(command.application) {
            session.dispatch("INTERACTION_CREATE", &event);
        }
        Ok(interaction)
    }
}

fn event(guild: &Guild, interaction: &Interaction, command: &Command, values: &Values) -> Value {
    let mut data = json!({
        "id": command.id, "name": command.definition.name, "type": command.definition.kind,
        "options": values.options,
    });
    if let Some(fields) = data.as_object_mut() {
        fields.extend(values.resolved().map(|resolved| ("resolved".to_owned(), resolved)));
        fields.extend(command.guild.map(|guild| ("guild_id".to_owned(), json!(guild))));
    }
    let permissions = |user| guild.permissions(user, interaction.channel).0.to_string();
    let mut member = guild
        .accounts
        .get(&interaction.user)
        .map(|account| object::member(account, guild.voice.get(&account.id)));
    if let Some(fields) = member.as_mut().and_then(Value::as_object_mut) {
        fields.insert("permissions".into(), json!(permissions(interaction.user)));
    }
    let channel = guild.channels.get(&interaction.channel);
    json!({
        "id": interaction.id, "application_id": interaction.application, "type": 2, "data": data,
        "guild_id": guild.id(), "guild": {"id": guild.id(), "locale": "en-US", "features": []},
        "channel_id": interaction.channel, "channel": channel.map(|channel| guild.channel_json(channel)),
        "member": member, "token": interaction.token, "version": 1, "locale": "en-US", "guild_locale": "en-US",
        "app_permissions": permissions(interaction.application), "entitlements": [],
        "authorizing_integration_owners": {"0": guild.id()}, "context": 0, "attachment_size_limit": 10_485_760,
    })
}
