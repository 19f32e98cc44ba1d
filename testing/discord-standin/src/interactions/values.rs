//! The options that a person gives with a command, checked against its definition.

use serde_json::{Map, Value, json};

use super::commands::{CommandOption, kind};
use crate::{
    guild::{Guild, json as object},
    snowflake::Snowflake,
};

/// Values in the form of an interaction, with the objects that they name.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) options: Vec<Value>,
    resolved: Map<String, Value>,
}

impl Values {
    /// Reads `{"name": value, …}`; a subcommand's value is such an object again.
    pub(crate) fn read(guild: &Guild, defined: &[CommandOption], given: &Map<String, Value>) -> Result<Self, String> {
        let mut values = Self::default();
        values.options = values.read_level(guild, defined, given)?;
        Ok(values)
    }

    /// The objects that are named, if any are.
    pub(crate) fn resolved(&self) -> Option<Value> {
        (!self.resolved.is_empty()).then(|| Value::Object(self.resolved.clone()))
    }

    fn read_level(
        &mut self,
        guild: &Guild,
        defined: &[CommandOption],
        given: &Map<String, Value>,
    ) -> Result<Vec<Value>, String> {
        if let Some(name) = given
            .keys()
            .find(|name| defined.iter().all(|option| option.name != **name))
        {
            return Err(format!("the command has no option {name}"));
        }
        let nested = defined.iter().any(|option| option.kind <= kind::SUBCOMMAND_GROUP);
        if nested && given.len() != 1 {
            return Err("one subcommand has to be chosen".to_owned());
        }
        let missing = |option: &&CommandOption| option.required && !given.contains_key(&option.name);
        if let Some(option) = defined.iter().find(missing) {
            return Err(format!("the option {} is required", option.name));
        }
        let chosen = defined
            .iter()
            .filter_map(|option| given.get(&option.name).map(|value| (option, value)));
        chosen
            .map(|(option, value)| self.read_one(guild, option, value))
            .collect()
    }

    fn read_one(&mut self, guild: &Guild, option: &CommandOption, value: &Value) -> Result<Value, String> {
        let wrong = || format!("{value} is no value for the option {}", option.name);
        if option.kind <= kind::SUBCOMMAND_GROUP {
            let inner = value.as_object().ok_or_else(wrong)?;
            let options = self.read_level(guild, &option.options, inner)?;
            return Ok(json!({"name": option.name, "type": option.kind, "options": options}));
        }
        let fits = match option.kind {
            kind::STRING => value.as_str().is_some_and(|text| fits_length(option, text)),
            kind::INTEGER => value.is_i64() && fits_range(option, value),
            kind::NUMBER => value.is_number() && fits_range(option, value),
            kind::BOOLEAN => value.is_boolean(),
            _ => self.resolve(guild, option.kind, value),
        };
        let chosen = option.choices.is_empty() || option.choices.iter().any(|choice| choice.value == *value);
        if fits && chosen {
            Ok(json!({"name": option.name, "type": option.kind, "value": value}))
        } else {
            Err(wrong())
        }
    }

    /// Looks up what an id names; false when it names nothing of the kind.
    fn resolve(&mut self, guild: &Guild, wanted: u8, value: &Value) -> bool {
        let Some(id) = value.as_str().and_then(|id| id.parse::<Snowflake>().ok()) else {
            return false;
        };
        let mut found = false;
        if let (kind::USER | kind::MENTIONABLE, Some(account)) = (wanted, guild.accounts.get(&id)) {
            let mut member = object::member(account, guild.voice.get(&id));
            if let Some(member) = member.as_object_mut() {
                member.remove("user");
            }
            self.add("users", id, object::user(account));
            self.add("members", id, member);
            found = true;
        }
        if let (kind::ROLE | kind::MENTIONABLE, Some(role)) = (wanted, guild.roles.get(&id)) {
            self.add("roles", id, object::role(role));
            found = true;
        }
        if let (kind::CHANNEL, Some(channel)) = (wanted, guild.channels.get(&id)) {
            self.add("channels", id, guild.channel_json(channel));
            found = true;
        }
        found
    }

    fn add(&mut self, list: &str, id: Snowflake, object: Value) {
        let list = self.resolved.entry(list).or_insert_with(|| json!({}));
        if let Some(list) = list.as_object_mut() {
            list.insert(id.to_string(), object);
        }
    }
}

fn fits_length(option: &CommandOption, text: &str) -> bool {
    let length = text.chars().count();
    option.min_length.is_none_or(|least| length >= least) && option.max_length.is_none_or(|most| length <= most)
}

fn fits_range(option: &CommandOption, value: &Value) -> bool {
    let number = value.as_f64().unwrap_or(f64::NAN);
    option.min_value.is_none_or(|least| number >= least) && option.max_value.is_none_or(|most| number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guild::FirstIds;

    fn options(value: Value) -> Vec<CommandOption> {
        serde_json::from_value(value).unwrap()
    }

    fn read(defined: &[CommandOption], given: &Value) -> Result<Values, String> {
        Values::read(&Guild::example(), defined, given.as_object().unwrap())
    }

    #[test]
    fn values_have_to_be_of_their_kind_and_within_limits() {
        let defined = options(json!([
            {"type": 4, "name": "n", "description": "d", "required": true, "min_value": 1.0, "max_value": 5.0},
            {"type": 3, "name": "s", "description": "d", "choices": [{"name": "A", "value": "a"}]},
        ]));
        let values = read(&defined, &json!({"n": 3, "s": "a"})).unwrap();
        let expected = json!([{"name": "n", "type": 4, "value": 3}, {"name": "s", "type": 3, "value": "a"}]);
        assert_eq!(json!(values.options), expected);
        for wrong in [
            json!({}),
            json!({"n": 6}),
            json!({"n": "3"}),
            json!({"n": 3, "s": "b"}),
            json!({"n": 3, "x": 1}),
        ] {
            assert!(read(&defined, &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn subcommands_nest_and_ids_are_resolved() {
        let defined = options(json!([{
            "type": 1, "name": "link", "description": "d",
            "options": [{"type": 7, "name": "channel", "description": "d"}],
        }]));
        let id = FirstIds::OF_FIRST_GUILD.voice_channel.to_string();
        let values = read(&defined, &json!({"link": {"channel": id}})).unwrap();
        assert_eq!(values.options[0]["options"][0]["value"], json!(id));
        assert_eq!(values.resolved().unwrap()["channels"][&id]["type"], 2);
        assert!(read(&defined, &json!({"link": {"channel": "5"}})).is_err());
        assert!(read(&defined, &json!({})).is_err(), "no subcommand");
    }
}
