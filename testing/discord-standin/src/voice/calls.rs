//! Who is in which call, and who is told about it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Calls, Voice,
    dave::{Group, VERSION},
    member::Member,
    protocol::Op,
};
use crate::{
    control::types::DavePolicy, gateway::sessions::ToClient, guild::VoiceState, people::person::Delivery,
    snowflake::Snowflake,
};

/// Close code of a client that was disconnected or moved.
const DISCONNECTED: u16 = 4014;
/// The first SSRC given away; small, so that logs are readable.
const FIRST_SSRC: u32 = 1_000;

impl Voice {
    /// Puts a user into a channel's call; returns the token that a bot has to identify with.
    ///
    /// A bot that was in a call is disconnected from it.
    pub(crate) fn place(&self, user: Snowflake, person: bool, state: &VoiceState, dave: DavePolicy) -> String {
        self.remove(user, DISCONNECTED);
        let mut calls = self.calls.lock();
        let ssrc = calls.fresh_ssrc();
        let member = Member::new(self.server(), person, ssrc, state);
        let token = member.token.clone();
        let channel = state.channel;
        let (proposer, counters) = (Arc::clone(&self.proposer), Arc::clone(&self.counters));
        let group = calls
            .groups
            .entry(channel)
            .or_insert_with(|| Group::new(channel, dave, proposer, counters));
        let version = group.version_for(VERSION);
        calls.members.insert(user, member);
        if person {
            calls.introduce(user);
            calls
                .person(user, &self.counters)
                .deliver(Delivery::Enter { channel, version });
            self.with_group(&mut calls, channel, |group, now| group.join(user, VERSION, now));
        }
        token
    }

    /// Applies a changed voice state.
    pub(crate) fn set_flags(&self, user: Snowflake, state: &VoiceState) {
        if let Some(member) = self.calls.lock().members.get_mut(&user) {
            member.may_be_heard = state.may_be_heard();
            member.hears = state.hears();
        }
    }

    /// Whether a user's place was made for this session and has a websocket or still waits for one.
    pub(crate) fn is_placed(&self, user: Snowflake, session_id: &str) -> bool {
        self.calls.lock().members.get(&user).is_some_and(|member| {
            let reachable = member.client.as_ref().is_none_or(|client| client.out.is_some());
            member.session_id == session_id && reachable
        })
    }

    /// Takes a user out of his call; a bot's websocket is closed with `code`.
    pub(crate) fn remove(&self, user: Snowflake, code: u16) {
        let mut calls = self.calls.lock();
        let Some(mut member) = calls.members.remove(&user) else {
            return;
        };
        if let Some(client) = &mut member.client {
            client.hand_over(ToClient::Close(code));
        }
        for other in calls.members.values_mut() {
            other.hearing.forget(user);
        }
        if member.is_connected() {
            calls.tell_others(member.channel, user, Op::ClientDisconnect, &json!({"user_id": user}));
        }
        if member.person {
            calls.person(user, &self.counters).deliver(Delivery::Leave);
        }
        self.with_group(&mut calls, member.channel, |group, now| group.leave(user, now));
        let empty = !calls.members.values().any(|other| other.channel == member.channel);
        if empty {
            calls.groups.remove(&member.channel);
        }
    }

    /// Takes a user out because a moderator or the guild says so.
    pub(crate) fn disconnect(&self, user: Snowflake) {
        self.remove(user, DISCONNECTED);
    }

    /// Closes a bot's websocket with a code, or cuts it with code 0; false when there is none.
    pub(crate) fn close(&self, user: Snowflake, code: u16) -> bool {
        let mut calls = self.calls.lock();
        let Some(client) = calls
            .members
            .get_mut(&user)
            .and_then(|member| member.client.as_mut())
            .filter(|client| client.out.is_some())
        else {
            return false;
        };
        client.hand_over(match code {
            0 => ToClient::Cut,
            code => ToClient::Close(code),
        });
        true
    }

    /// Whether the voice server passes on what this member says.
    pub(crate) fn may_be_heard(&self, user: Snowflake) -> bool {
        let calls = self.calls.lock();
        calls.members.get(&user).is_some_and(|member| member.may_be_heard)
    }

    /// How a member's last op 5 said that he speaks; 0 if not at all.
    pub(crate) fn speaking_flags(&self, user: Snowflake) -> u32 {
        let calls = self.calls.lock();
        let flags = calls.members.get(&user).and_then(|member| member.speaking);
        flags.unwrap_or_default()
    }

    /// Relays that a member's speaking flags changed.
    pub(crate) fn set_speaking(&self, user: Snowflake, flags: u32) {
        let mut calls = self.calls.lock();
        let Some(member) = calls.members.get_mut(&user) else {
            return;
        };
        member.speaking = Some(flags);
        let (channel, data) = (member.channel, speaking(user, member.ssrc, flags));
        calls.tell_others(channel, user, Op::Speaking, &data);
    }
}

impl Calls {
    pub(super) fn fresh_ssrc(&mut self) -> u32 {
        self.last_ssrc = self.last_ssrc.max(FIRST_SSRC) + 1;
        self.last_ssrc
    }

    /// Whether nobody is connected to a member's channel but he.
    pub(super) fn is_alone(&self, user: Snowflake) -> bool {
        self.members.get(&user).is_none_or(|member| {
            let mut others = self.members.iter().filter(|(id, _)| **id != user);
            !others.any(|(_, other)| other.channel == member.channel && other.is_connected())
        })
    }

    /// Tells a new member of the others and the others of him.
    pub(super) fn introduce(&mut self, user: Snowflake) {
        let Some(channel) = self.members.get(&user).map(|member| member.channel) else {
            return;
        };
        let others: Vec<_> = self
            .members
            .iter()
            .filter(|(id, other)| **id != user && other.channel == channel && other.is_connected())
            .map(|(id, other)| (*id, other.person, other.ssrc, other.speaking))
            .collect();
        let Some(newcomer) = self.members.get_mut(&user) else {
            return;
        };
        let person = newcomer.person;
        if let Some(client) = newcomer.client.as_mut().filter(|_| !others.is_empty()) {
            let ids: Vec<_> = others.iter().map(|(id, ..)| id).collect();
            client.send(Op::ClientsConnect, &json!({"user_ids": ids}));
            for (id, person, ssrc, flags) in &others {
                client.send(Op::Flags, &described(*id, "flags", *person));
                client.send(Op::Platform, &described(*id, "platform", *person));
                if let Some(flags) = flags.filter(|flags| *flags != 0) {
                    client.send(Op::Speaking, &speaking(*id, *ssrc, flags));
                }
            }
        }
        self.tell_others(channel, user, Op::ClientsConnect, &json!({"user_ids": [user]}));
        self.tell_others(channel, user, Op::Flags, &described(user, "flags", person));
        self.tell_others(channel, user, Op::Platform, &described(user, "platform", person));
    }

    /// Sends a message to every connected bot of a channel but one.
    pub(super) fn tell_others(&mut self, channel: Snowflake, except: Snowflake, op: Op, data: &Value) {
        let others = self
            .members
            .iter_mut()
            .filter(|(id, member)| **id != except && member.channel == channel && member.is_connected());
        for client in others.filter_map(|(_, member)| member.client.as_mut()) {
            client.send(op, data);
        }
    }
}

fn speaking(user: Snowflake, ssrc: u32, flags: u32) -> Value {
    json!({"user_id": user, "ssrc": ssrc, "speaking": flags})
}

/// Client flags or platform, which bots do not have.
fn described(user: Snowflake, what: &str, person: bool) -> Value {
    json!({"user_id": user, (what): person.then_some(0)})
}
