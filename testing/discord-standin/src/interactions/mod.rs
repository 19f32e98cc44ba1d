//! Application commands, and people who use them.

pub(crate) mod commands;
pub(crate) mod form;
mod using;
pub(crate) mod values;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{control::types::InteractionState, guild::Message, snowflake::Snowflake};
use commands::{Command, Definition, MOST_SLASH_COMMANDS, SLASH};

/// A bot has this long to answer at all.
pub(crate) const FIRST_ANSWER_NS: u64 = 3_000_000_000;
/// And this long to change its answer and to follow it up.
const TOKEN_NS: u64 = 15 * 60 * 1_000_000_000;
/// Interactions that are remembered.
const KEPT: usize = 1_000;

/// Why something about an interaction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is none with this id and token, or its time for a first answer is over.
    Unknown,
    /// It has its first answer.
    AlreadyAcknowledged,
    /// It has no answer yet, or not this one.
    NoSuchMessage,
    /// Its token is too old.
    Expired,
}

/// A bot's message about an interaction.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) message: Message,
    pub(crate) embeds: Vec<Value>,
    /// Seen only by the person who used the command.
    pub(crate) ephemeral: bool,
    /// The first answer, not a follow-up.
    pub(crate) original: bool,
    pub(crate) edits: u32,
    pub(crate) deleted: bool,
}

/// The first answer of a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// A message.
    Answered,
    /// A message will follow; seen only by the person or by everyone.
    Deferred { ephemeral: bool },
}

/// A person has used a command.
#[derive(Clone, Debug)]
pub(crate) struct Interaction {
    pub(crate) id: Snowflake,
    pub(crate) token: String,
    pub(crate) application: Snowflake,
    pub(crate) command: String,
    pub(crate) user: Snowflake,
    pub(crate) guild: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) created_ns: u64,
    pub(crate) acknowledged: Option<(Acknowledged, u64)>,
    pub(crate) replies: Vec<Reply>,
}

impl Interaction {
    /// How far it has come.
    pub(crate) fn state(&self, now_ns: u64) -> InteractionState {
        let answered = self.replies.iter().any(|reply| reply.original);
        match self.acknowledged {
            None if now_ns > self.created_ns + FIRST_ANSWER_NS => InteractionState::TimedOut,
            None => InteractionState::Pending,
            Some((Acknowledged::Deferred { .. }, _)) if !answered => InteractionState::Deferred,
            Some(_) => InteractionState::Answered,
        }
    }

    /// Notes the first answer, if it comes in time and is the first.
    pub(crate) fn acknowledge(&mut self, how: Acknowledged, now_ns: u64) -> Result<(), Refused> {
        if self.acknowledged.is_some() {
            return Err(Refused::AlreadyAcknowledged);
        }
        if self.state(now_ns) == InteractionState::TimedOut {
            return Err(Refused::Unknown);
        }
        self.acknowledged = Some((how, now_ns));
        Ok(())
    }

    /// Whether a next message takes the place of a deferred first answer, and whether it is seen only by the person.
    pub(crate) fn awaited(&self) -> Option<bool> {
        let answered = self.replies.iter().any(|reply| reply.original);
        match self.acknowledged {
            Some((Acknowledged::Deferred { ephemeral }, _)) if !answered => Some(ephemeral),
            _ => None,
        }
    }

    /// The reply that a path names: by its id, or as `@original`.
    pub(crate) fn reply(&mut self, which: &str) -> Result<&mut Reply, Refused> {
        let id: Option<Snowflake> = which.parse().ok();
        self.replies
            .iter_mut()
            .filter(|reply| !reply.deleted)
            .find(|reply| Some(reply.message.id) == id || (which == "@original" && reply.original))
            .ok_or(Refused::NoSuchMessage)
    }

    fn is_usable(&self, now_ns: u64) -> Result<(), Refused> {
        match self.acknowledged {
            None => Err(Refused::NoSuchMessage),
            Some(_) if now_ns > self.created_ns + TOKEN_NS => Err(Refused::Expired),
            Some(_) => Ok(()),
        }
    }
}

/// All commands and interactions.
#[derive(Debug, Default)]
pub(crate) struct Interactions {
    pub(crate) commands: BTreeMap<Snowflake, Command>,
    interactions: BTreeMap<Snowflake, Interaction>,
}

impl Interactions {
    /// The commands of an application in one place.
    pub(crate) fn of(&self, application: Snowflake, guild: Option<Snowflake>) -> impl Iterator<Item = &Command> {
        let there = move |command: &&Command| command.application == application && command.guild == guild;
        self.commands.values().filter(there)
    }

    /// Registers a command, in place of one with its name and kind; true when it is new.
    pub(crate) fn register(
        &mut self,
        application: Snowflake,
        guild: Option<Snowflake>,
        definition: Definition,
        fresh: Snowflake,
    ) -> Result<(Command, bool), form::FormErrors> {
        let same = |command: &&Command| {
            let known = &command.definition;
            known.name == definition.name && known.kind == definition.kind
        };
        let before = self.of(application, guild).find(same).map(|command| command.id);
        let slash = self
            .of(application, guild)
            .filter(|known| known.definition.kind == SLASH)
            .count();
        if before.is_none() && definition.kind == SLASH && slash >= MOST_SLASH_COMMANDS {
            let text = "Maximum number of application commands reached (100).";
            return Err(form::FormErrors::one(&[], "APPLICATION_COMMAND_TOO_MANY", text));
        }
        let id = before.unwrap_or(fresh);
        let command = Command {
            id,
            application,
            guild,
            version: fresh,
            definition,
        };
        self.commands.insert(id, command.clone());
        Ok((command, before.is_none()))
    }

    /// The command that a person in a guild means by its name: that of the guild goes before the one for everywhere.
    pub(crate) fn named(&self, name: &str, application: Option<Snowflake>, guild: Snowflake) -> Option<&Command> {
        let meant = |command: &&Command| {
            let definition = &command.definition;
            let of = application.is_none_or(|application| application == command.application);
            let here = command.guild.is_none_or(|only| only == guild);
            of && here && definition.name == name && definition.kind == SLASH
        };
        self.commands.values().filter(meant).max_by_key(|command| command.guild)
    }

    /// Keeps an interaction.
    pub(crate) fn begin(&mut self, interaction: Interaction) {
        if self.interactions.len() == KEPT {
            self.interactions.pop_first();
        }
        self.interactions.insert(interaction.id, interaction);
    }

    /// The interaction of a callback.
    pub(crate) fn unanswered(&mut self, id: &str, token: &str) -> Result<&mut Interaction, Refused> {
        id.parse()
            .ok()
            .and_then(|id: Snowflake| self.interactions.get_mut(&id))
            .filter(|interaction| interaction.token == token)
            .ok_or(Refused::Unknown)
    }

    /// The interaction of a webhook, which has had its first answer.
    pub(crate) fn answered(
        &mut self,
        application: &str,
        token: &str,
        now_ns: u64,
    ) -> Result<&mut Interaction, Refused> {
        let interaction = self
            .interactions
            .values_mut()
            .find(|known| known.token == token && known.application.to_string() == application)
            .ok_or(Refused::NoSuchMessage)?;
        interaction.is_usable(now_ns)?;
        Ok(interaction)
    }

    /// An interaction, to look at.
    pub(crate) fn get(&self, id: Snowflake) -> Option<&Interaction> {
        self.interactions.get(&id)
    }

    /// All that are remembered, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interaction> {
        self.interactions.values()
    }
}

impl Reply {
    /// Adds what a message of an interaction has beside an ordinary one's fields.
    pub(crate) fn dress(&self, interaction: &Interaction, mut object: Value) -> Value {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("embeds".into(), json!(self.embeds));
            fields.insert("flags".into(), json!(if self.ephemeral { 64 } else { 0 }));
            // A first answer is of a kind of its own, a follow-up is a reply.
            fields.insert("type".into(), json!(if self.original { 20 } else { 19 }));
            fields.insert("application_id".into(), json!(interaction.application));
            fields.insert("webhook_id".into(), json!(interaction.application));
            fields.insert(
                "interaction_metadata".into(),
                json!({"id": interaction.id, "type": 2, "name": interaction.command,
                    "user": {"id": interaction.user}, "authorizing_integration_owners": {}}),
            );
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: Snowflake = Snowflake(1);

    fn interaction() -> Interaction {
        Interaction {
            id: Snowflake(5),
            token: "token".to_owned(),
            application: APPLICATION,
            command: "voice".to_owned(),
            user: Snowflake(2),
            guild: Snowflake(7),
            channel: Snowflake(3),
            created_ns: 0,
            acknowledged: None,
            replies: Vec::new(),
        }
    }

    fn definition(name: &str) -> Definition {
        Definition::read(json!({"name": name, "description": "d"})).unwrap()
    }

    #[test]
    fn the_first_answer_comes_in_time_and_once() {
        let mut late = interaction();
        assert_eq!(late.state(FIRST_ANSWER_NS), InteractionState::Pending);
        assert_eq!(late.state(FIRST_ANSWER_NS + 1), InteractionState::TimedOut);
        let answered = late.acknowledge(Acknowledged::Answered, FIRST_ANSWER_NS + 1);
        assert_eq!(answered, Err(Refused::Unknown));

        let mut deferred = interaction();
        let how = Acknowledged::Deferred { ephemeral: true };
        assert_eq!(deferred.acknowledge(how, 1), Ok(()));
        assert_eq!(deferred.state(FIRST_ANSWER_NS + 1), InteractionState::Deferred);
        assert_eq!(deferred.awaited(), Some(true));
        assert_eq!(deferred.acknowledge(how, 1), Err(Refused::AlreadyAcknowledged));
    }

    #[test]
    fn a_token_is_of_use_after_the_first_answer_and_for_a_quarter_of_an_hour() {
        let mut interactions = Interactions::default();
        interactions.begin(interaction());
        let refusal = |interactions: &mut Interactions, now| interactions.answered("1", "token", now).err();
        assert_eq!(refusal(&mut interactions, 1), Some(Refused::NoSuchMessage));
        let begun = interactions.unanswered("5", "token").unwrap();
        begun.acknowledge(Acknowledged::Answered, 1).unwrap();
        assert_eq!(refusal(&mut interactions, TOKEN_NS), None);
        assert_eq!(refusal(&mut interactions, TOKEN_NS + 1), Some(Refused::Expired));
        assert_eq!(interactions.unanswered("5", "wrong").err(), Some(Refused::Unknown));
    }

    #[test]
    fn a_command_takes_the_place_of_its_namesake_and_a_guilds_goes_before() {
        let mut interactions = Interactions::default();
        let mut register = |name, guild, fresh| {
            interactions
                .register(APPLICATION, guild, definition(name), Snowflake(fresh))
                .unwrap()
        };
        let (first, new) = register("voice", None, 10);
        assert!(new);
        let (second, new) = register("voice", None, 11);
        assert!(!new);
        assert_eq!((second.id, second.version), (first.id, Snowflake(11)));
        register("voice", Some(Snowflake(7)), 12);
        let meant = |application, guild| interactions.named("voice", application, Snowflake(guild));
        assert_eq!(meant(None, 7).unwrap().guild, Some(Snowflake(7)));
        assert_eq!(meant(None, 8).unwrap().guild, None);
        assert!(meant(Some(Snowflake(9)), 7).is_none());
    }

    #[test]
    fn there_are_no_more_than_a_hundred_slash_commands() {
        let mut interactions = Interactions::default();
        for n in 0..101_u64 {
            let registered = interactions.register(APPLICATION, None, definition(&format!("c{n}")), Snowflake(n));
            assert_eq!(registered.is_ok(), n < 100, "{n}");
        }
    }
}
