//! What bots log in with, whichever guilds they are in.

use std::collections::BTreeMap;

use crate::{gateway::starts::Starts, snowflake::Snowflake};

/// How one bot logs in.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) token: String,
    /// Privileged intents that it may ask for.
    pub(crate) privileged_intents: u64,
    /// It is too large for one shard.
    pub(crate) sharding_required: bool,
    /// How often it has begun a session.
    pub(crate) starts: Starts,
}

/// All bots by their user.
#[derive(Debug, Default)]
pub(crate) struct Bots(BTreeMap<Snowflake, Login>);

impl Bots {
    /// Lets a bot log in from now on.
    pub(crate) fn add(&mut self, user: Snowflake, token: String) {
        let login = Login {
            token,
            privileged_intents: 0,
            sharding_required: false,
            starts: Starts::default(),
        };
        self.0.insert(user, login);
    }

    /// The bot that logs in with `token`.
    pub(crate) fn by_token(&self, token: &str) -> Option<Snowflake> {
        let mut bots = self.0.iter();
        bots.find(|(_, login)| login.token == token).map(|(user, _)| *user)
    }

    pub(crate) fn get(&self, user: Snowflake) -> Option<&Login> {
        self.0.get(&user)
    }

    pub(crate) fn get_mut(&mut self, user: Snowflake) -> Option<&mut Login> {
        self.0.get_mut(&user)
    }

    /// The privileged intents that a user may ask for: none if it is no bot.
    pub(crate) fn privileged_intents(&self, user: Snowflake) -> u64 {
        self.get(user).map_or(0, |login| login.privileged_intents)
    }
}
