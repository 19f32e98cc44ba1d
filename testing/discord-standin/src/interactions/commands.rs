//! Application commands and the rules that their definitions obey.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::form::FormErrors;
use crate::{guild::permissions::Permissions, snowflake::Snowflake};

/// Most options of a command or subcommand, and most choices of an option.
const MOST_OPTIONS: usize = 25;
/// Commands of one kind that an application may have in one place: slash commands, and those of a menu.
pub(crate) const MOST_SLASH_COMMANDS: usize = 100;
const LONGEST_NAME: usize = 32;
const LONGEST_DESCRIPTION: usize = 100;

/// The kind of a slash command; the others are entries of a user's or a message's menu.
pub(crate) const SLASH: u8 = 1;
const KINDS: std::ops::RangeInclusive<u8> = 1..=3;

/// Kinds of options.
pub(crate) mod kind {
    pub(crate) const SUBCOMMAND: u8 = 1;
    pub(crate) const SUBCOMMAND_GROUP: u8 = 2;
    pub(crate) const STRING: u8 = 3;
    pub(crate) const INTEGER: u8 = 4;
    pub(crate) const BOOLEAN: u8 = 5;
    pub(crate) const USER: u8 = 6;
    pub(crate) const CHANNEL: u8 = 7;
    pub(crate) const ROLE: u8 = 8;
    pub(crate) const MENTIONABLE: u8 = 9;
    pub(crate) const NUMBER: u8 = 10;
    pub(crate) const ATTACHMENT: u8 = 11;
}

/// What a bot says a command is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(default = "slash", rename = "type")]
    pub(crate) kind: u8,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<CommandOption>,
    /// Bits as a string; whoever lacks one of them may not use the command.
    #[serde(default)]
    pub(crate) default_member_permissions: Option<String>,
    /// Everything of no consequence here: translations, contexts, age limits.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

const fn slash() -> u8 {
    SLASH
}

/// An option of a command.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct CommandOption {
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) choices: Vec<Choice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<Self>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_length: Option<usize>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) autocomplete: bool,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A value that an option may have.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) value: Value,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// A registered command.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) id: Snowflake,
    pub(crate) application: Snowflake,
    /// The guild that it is for; everywhere without.
    pub(crate) guild: Option<Snowflake>,
    /// Changes with every change of the definition.
    pub(crate) version: Snowflake,
    pub(crate) definition: Definition,
}

impl Command {
    /// A command object.
    pub(crate) fn json(&self) -> Value {
        let mut object = json!(self.definition);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("id".into(), json!(self.id));
            fields.insert("application_id".into(), json!(self.application));
            fields.insert("version".into(), json!(self.version));
            if let Some(guild) = self.guild {
                fields.insert("guild_id".into(), json!(guild));
            }
        }
        object
    }

    /// What a member needs to use it; `None` where everybody may.
    pub(crate) fn needed(&self) -> Option<Permissions> {
        let bits = self.definition.default_member_permissions.as_ref()?;
        bits.parse().ok().map(|bits: u64| match bits {
            // No permission at all is enough: only administrators may.
            0 => Permissions::ADMINISTRATOR,
            bits => Permissions(bits),
        })
    }
}

impl Definition {
    /// Reads and checks a definition.
    pub(crate) fn read(value: Value) -> Result<Self, FormErrors> {
        let definition: Self =
            serde_json::from_value(value).map_err(|error| FormErrors::one(&[], "BASE_TYPE_BAD", error.to_string()))?;
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), FormErrors> {
        let mut errors = FormErrors::default();
        if !KINDS.contains(&self.kind) {
            errors.add(&path("type"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3}.");
        }
        let slash = self.kind == SLASH;
        check_name(&self.name, slash, &mut errors);
        if slash {
            check_description(&self.description, &mut errors);
        } else if !self.description.is_empty() || !self.options.is_empty() {
            let text = "Commands of a menu have neither description nor options.";
            errors.add(&path("description"), "APPLICATION_COMMAND_INVALID", text);
        }
        let bits = self.default_member_permissions.as_ref();
        if bits.is_some_and(|bits| bits.parse::<u64>().is_err()) {
            errors.add(
                &path("default_member_permissions"),
                "NUMBER_TYPE_COERCE",
                "Not a set of permissions.",
            );
        }
        check_options(&self.options, 0, &mut errors);
        errors.into_result()
    }
}

fn path(field: &str) -> [String; 1] {
    [field.to_owned()]
}

fn check_name(name: &str, slash: bool, errors: &mut FormErrors) {
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        errors.add(
            &path("name"),
            "BASE_TYPE_BAD_LENGTH",
            "Must be between 1 and 32 in length.",
        );
    } else if slash && !name.chars().all(fits_a_name) {
        let text = "Slash commands and options have lower case names of letters, digits, - and _.";
        errors.add(&path("name"), "APPLICATION_COMMAND_INVALID_NAME", text);
    }
}

fn fits_a_name(c: char) -> bool {
    let letter = c.is_alphanumeric() || matches!(c, '-' | '_' | '\'');
    letter && c.to_lowercase().eq([c])
}

fn check_description(description: &str, errors: &mut FormErrors) {
    if !(1..=LONGEST_DESCRIPTION).contains(&description.chars().count()) {
        let text = "Must be between 1 and 100 in length.";
        errors.add(&path("description"), "BASE_TYPE_BAD_LENGTH", text);
    }
}

/// Checks the options of one level; subcommands and groups go two levels deep.
fn check_options(options: &[CommandOption], depth: u8, errors: &mut FormErrors) {
    if options.len() > MOST_OPTIONS {
        errors.add(
            &path("options"),
            "BASE_TYPE_BAD_LENGTH",
            "Must be 25 or fewer in length.",
        );
    }
    let nests = |option: &&CommandOption| option.kind <= kind::SUBCOMMAND_GROUP;
    let nested = options.iter().filter(nests).count();
    if nested != 0 && nested != options.len() {
        let text = "Subcommands and other options do not go together.";
        errors.add(&path("options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text);
    }
    let mut names: Vec<_> = options.iter().map(|option| &option.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        errors.add(
            &path("options"),
            "APPLICATION_COMMAND_OPTIONS_NAME_INVALID",
            "Option names must be unique.",
        );
    }
    let mut optional_before = false;
    for (index, option) in options.iter().enumerate() {
        let mut own = FormErrors::default();
        option.check(depth, &mut own);
        if option.required && optional_before {
            let text = "Required options must be placed before non-required options";
            own.add(&[], "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text);
        }
        optional_before |= !option.required;
        errors.below(&["options".to_owned(), index.to_string()], own);
    }
}

impl CommandOption {
    fn check(&self, depth: u8, errors: &mut FormErrors) {
        check_name(&self.name, true, errors);
        check_description(&self.description, errors);
        let deepest = match self.kind {
            kind::SUBCOMMAND_GROUP => 0,
            kind::SUBCOMMAND => 1,
            _ => 2,
        };
        if !(kind::SUBCOMMAND..=kind::ATTACHMENT).contains(&self.kind) || depth > deepest {
            errors.add(
                &path("type"),
                "BASE_TYPE_CHOICES",
                "Not a kind of option that is possible here.",
            );
        }
        if self.kind <= kind::SUBCOMMAND_GROUP {
            check_options(&self.options, depth + 1, errors);
        } else if !self.options.is_empty() {
            errors.add(
                &path("options"),
                "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                "Only subcommands have options.",
            );
        }
        self.check_choices(errors);
    }

    fn check_choices(&self, errors: &mut FormErrors) {
        let choosable = matches!(self.kind, kind::STRING | kind::INTEGER | kind::NUMBER);
        if (!self.choices.is_empty() || self.autocomplete) && !choosable {
            errors.add(
                &path("choices"),
                "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID",
                "Not for this kind of option.",
            );
        }
        if !self.choices.is_empty() && self.autocomplete {
            errors.add(
                &path("autocomplete"),
                "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID",
                "Not beside choices.",
            );
        }
        if self.choices.len() > MOST_OPTIONS {
            errors.add(
                &path("choices"),
                "BASE_TYPE_BAD_LENGTH",
                "Must be 25 or fewer in length.",
            );
        }
        let fits = |choice: &Choice| match self.kind {
            kind::STRING => choice.value.is_string(),
            kind::INTEGER => choice.value.is_i64(),
            _ => choice.value.is_number(),
        };
        if choosable && !self.choices.iter().all(fits) {
            errors.add(
                &path("choices"),
                "BASE_TYPE_BAD",
                "A choice is not of the option's kind.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(value: Value) -> Value {
        Definition::read(value).unwrap_err().into_json()
    }

    fn option(kind: u8, name: &str) -> Value {
        json!({"type": kind, "name": name, "description": "what it is"})
    }

    #[test]
    fn a_definition_is_read_and_written_as_it_came() {
        let mut minutes = option(kind::INTEGER, "minutes");
        minutes["min_value"] = json!(1.0);
        minutes["required"] = json!(true);
        let value = json!({
            "name": "record", "type": 1, "description": "records", "options": [minutes],
            "default_member_permissions": "8", "name_localizations": {"de": "aufnehmen"},
        });
        let definition = Definition::read(value.clone()).unwrap();
        assert_eq!(json!(definition), value);
    }

    #[test]
    fn names_and_descriptions_have_their_limits() {
        for name in ["", "Voice", "two words", &"x".repeat(33)] {
            let errors = errors_of(json!({"name": name, "description": "d"}));
            assert!(errors["name"]["_errors"][0]["code"].is_string(), "{name:?}: {errors}");
        }
        let errors = errors_of(json!({"name": "ok", "description": ""}));
        assert!(errors["description"].is_object());
        assert!(Definition::read(json!({"name": "Two Words", "type": 2})).is_ok());
        assert!(Definition::read(json!({"name": "größe", "description": "d"})).is_ok());
    }

    #[test]
    fn what_is_wrong_with_an_option_is_told_by_its_place() {
        let with = |options: Value| json!({"name": "c", "description": "d", "options": options});
        let mut late = option(kind::STRING, "late");
        late["required"] = json!(true);
        let errors = errors_of(with(json!([option(kind::STRING, "early"), late])));
        assert!(errors["options"]["1"]["_errors"].is_array(), "{errors}");
        let errors = errors_of(with(json!([option(kind::STRING, "BIG")])));
        assert!(errors["options"]["0"]["name"].is_object(), "{errors}");
        let errors = errors_of(with(json!([option(kind::SUBCOMMAND, "a"), option(kind::STRING, "b")])));
        assert!(errors["options"]["_errors"].is_array(), "{errors}");
        let errors = errors_of(with(json!([option(kind::STRING, "a"), option(kind::STRING, "a")])));
        assert!(errors["options"]["_errors"].is_array(), "{errors}");
        let mut choice = option(kind::INTEGER, "a");
        choice["choices"] = json!([{"name": "one", "value": "1"}]);
        let errors = errors_of(with(json!([choice])));
        assert!(errors["options"]["0"]["choices"].is_object(), "{errors}");
    }

    #[test]
    fn groups_hold_subcommands_and_subcommands_hold_options() {
        let mut subcommand = option(kind::SUBCOMMAND, "sub");
        subcommand["options"] = json!([option(kind::BOOLEAN, "flag")]);
        let mut group = option(kind::SUBCOMMAND_GROUP, "group");
        group["options"] = json!([subcommand]);
        let good = json!({"name": "c", "description": "d", "options": [group]});
        assert!(Definition::read(good).is_ok());
        let mut deep = option(kind::SUBCOMMAND, "sub");
        deep["options"] = json!([option(kind::SUBCOMMAND_GROUP, "group")]);
        let bad = json!({"name": "c", "description": "d", "options": [deep]});
        assert!(Definition::read(bad).is_err());
    }
}
