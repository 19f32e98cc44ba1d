//! The guild in the JSON of Discord's REST interface and gateway.

use serde_json::{Value, json};

use super::{
    Account, Channel, Guild, Message, OWNER, Role, VoiceState,
    permissions::{Overwrite, OverwriteTarget, Permissions},
};
use crate::{
    control::types::{AccountKind, ChannelKind},
    gateway::intents,
    snowflake::Snowflake,
};

/// When everything that has no time of its own came to be.
const EPOCH: &str = "2026-01-01T00:00:00.000000+00:00";

/// A user object.
pub(crate) fn user(account: &Account) -> Value {
    json!({
        "id": account.id, "username": account.name, "discriminator": "0", "global_name": null, "avatar": account.avatar,
        "bot": account.kind == AccountKind::Bot, "system": false, "banner": null, "accent_color": null,
        "avatar_decoration_data": null, "public_flags": 0, "flags": 0,
    })
}

/// A user object as `/users/@me` and READY give it.
pub(crate) fn own_user(account: &Account) -> Value {
    let mut own = user(account);
    if let Some(fields) = own.as_object_mut() {
        fields.insert("verified".into(), json!(true));
        fields.insert("mfa_enabled".into(), json!(false));
        fields.insert("email".into(), Value::Null);
        fields.insert("locale".into(), json!("en-US"));
    }
    own
}

/// An application object.
pub(crate) fn application(account: &Account, privileged_intents: u64) -> Value {
    json!({
        "id": account.id, "name": account.name, "icon": null, "description": "", "bot_public": true,
        "bot_require_code_grant": false, "verify_key": "0".repeat(64),
        "flags": intents::application_flags(privileged_intents), "team": null, "summary": "",
        "owner": {"id": OWNER, "username": "owner", "discriminator": "0", "global_name": null, "avatar": null},
    })
}

/// A member object without the guild's id.
pub(crate) fn member(account: &Account, voice: Option<&VoiceState>) -> Value {
    json!({
        "user": user(account), "nick": account.nick, "avatar": null, "banner": null, "roles": account.roles,
        "joined_at": EPOCH, "premium_since": null, "pending": false, "flags": 0, "communication_disabled_until": null,
        "deaf": voice.is_some_and(|state| state.deaf), "mute": voice.is_some_and(|state| state.mute),
    })
}

/// A message object.
pub(crate) fn message(message: &Message, author: Option<&Account>) -> Value {
    let author = author.map_or_else(
        || json!({"id": message.author, "username": message.author_name, "discriminator": "0", "avatar": null}),
        user,
    );
    let mut object = json!({
        "id": message.id, "channel_id": message.channel, "author": author, "content": message.content,
        "timestamp": timestamp(message.at_ns), "edited_timestamp": null, "tts": false, "mention_everyone": false,
        "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "reactions": [], "pinned": false,
        "type": 0, "flags": 0, "components": [],
    });
    if let (Some(nonce), Some(fields)) = (&message.nonce, object.as_object_mut()) {
        fields.insert("nonce".into(), nonce.clone());
    }
    object
}

impl Guild {
    /// A voice state object with its member.
    pub(crate) fn voice_state_json(&self, user: Snowflake, state: &VoiceState) -> Value {
        let member = self.accounts.get(&user).map(|account| member(account, Some(state)));
        json!({
            "guild_id": self.id(), "channel_id": state.channel, "user_id": user, "member": member,
            "session_id": state.session_id, "deaf": state.deaf, "mute": state.mute, "self_deaf": state.self_deaf,
            "self_mute": state.self_mute, "self_video": false, "suppress": state.suppress,
            "request_to_speak_timestamp": state.request_to_speak_ns.map(timestamp),
        })
    }

    /// A voice state object of somebody who has left.
    pub(crate) fn left_voice_json(&self, user: Snowflake, session_id: &str) -> Value {
        let member = self.accounts.get(&user).map(|account| member(account, None));
        json!({
            "guild_id": self.id(), "channel_id": null, "user_id": user, "member": member, "session_id": session_id,
            "deaf": false, "mute": false, "self_deaf": false, "self_mute": false, "self_video": false,
            "suppress": false, "request_to_speak_timestamp": null,
        })
    }

    /// A channel object.
    pub(crate) fn channel_json(&self, channel: &Channel) -> Value {
        let position = self.channels.keys().position(|id| *id == channel.id);
        let overwrites: Vec<_> = channel.overwrites.iter().map(overwrite).collect();
        let mut object = json!({
            "id": channel.id, "guild_id": self.id(), "name": channel.name, "position": position, "parent_id": null,
            "permission_overwrites": overwrites, "nsfw": false, "rate_limit_per_user": 0, "last_message_id": null,
            "flags": 0,
        });
        let (kind, details) = match channel.kind {
            ChannelKind::Text => (0, json!({"topic": null, "last_pin_timestamp": null})),
            ChannelKind::Voice => (2, voice_details(channel)),
            ChannelKind::Stage => (13, voice_details(channel)),
        };
        if let (Some(fields), Value::Object(details)) = (object.as_object_mut(), details) {
            fields.insert("type".into(), json!(kind));
            fields.extend(details);
        }
        object
    }

    /// All channels that a user may see.
    pub(crate) fn visible_channels_json(&self, user: Snowflake) -> Vec<Value> {
        self.channels
            .values()
            .filter(|channel| self.permissions(user, channel.id).contains(Permissions::VIEW_CHANNEL))
            .map(|channel| self.channel_json(channel))
            .collect()
    }

    /// The roles.
    pub(crate) fn roles_json(&self) -> Value {
        json!(self.roles.values().map(role).collect::<Vec<_>>())
    }

    /// Members of the guild.
    pub(crate) fn members_json(&self) -> Vec<Value> {
        self.accounts
            .values()
            .filter(|account| account.in_guild)
            .map(|account| member(account, self.voice.get(&account.id)))
            .collect()
    }

    /// A guild object, as REST gives it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id(), "name": self.name, "icon": null, "icon_hash": null, "splash": null, "discovery_splash": null,
            "owner_id": OWNER, "region": "local", "afk_channel_id": self.afk_channel,
            "afk_timeout": self.afk_timeout, "widget_enabled": false,
            "widget_channel_id": null, "verification_level": 0, "default_message_notifications": 0,
            "explicit_content_filter": 0, "roles": self.roles_json(), "emojis": [], "features": [], "mfa_level": 0,
            "application_id": null, "system_channel_id": null, "system_channel_flags": 0, "rules_channel_id": null,
            "max_presences": null, "max_members": 500_000, "vanity_url_code": null, "description": null, "banner": null,
            "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "public_updates_channel_id": null, "max_video_channel_users": 25, "max_stage_video_channel_users": 50,
            "nsfw": false, "nsfw_level": 0, "stickers": [], "premium_progress_bar_enabled": false,
            "safety_alerts_channel_id": null, "incidents_data": null,
        })
    }

    /// The guild object of `GUILD_CREATE` for one bot.
    pub(crate) fn create_json(&self, user: Snowflake, with_voice: bool, all_members: bool) -> Value {
        let voice_states: Vec<_> = self
            .voice
            .iter()
            .filter(|_| with_voice)
            .map(|(user, state)| self.voice_state_json(*user, state))
            .collect();
        let members: Vec<_> = self
            .accounts
            .values()
            .filter(|account| account.in_guild)
            .filter(|account| all_members || account.id == user || (with_voice && self.voice.contains_key(&account.id)))
            .map(|account| member(account, self.voice.get(&account.id)))
            .collect();
        let mut object = self.json();
        let extra = json!({
            "joined_at": EPOCH, "large": false, "unavailable": false, "member_count": self.accounts.len(),
            "voice_states": voice_states, "members": members, "channels": self.visible_channels_json(user),
            "threads": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [],
            "soundboard_sounds": [],
        });
        if let (Some(fields), Value::Object(extra)) = (object.as_object_mut(), extra) {
            fields.extend(extra);
        }
        object
    }
}

fn voice_details(channel: &Channel) -> Value {
    json!({
        "bitrate": 64_000, "user_limit": channel.user_limit, "rtc_region": null, "video_quality_mode": 1,
        "status": channel.status,
    })
}

fn overwrite(overwrite: &Overwrite) -> Value {
    let (id, kind) = match overwrite.target {
        OverwriteTarget::Role(id) => (id, 0),
        OverwriteTarget::Member(id) => (id, 1),
    };
    json!({
        "id": id, "type": kind, "allow": overwrite.allow.0.to_string(), "deny": overwrite.deny.0.to_string(),
    })
}

/// A role object.
pub(crate) fn role(role: &Role) -> Value {
    json!({
        "id": role.id, "name": role.name, "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": null, "tertiary_color": null},
        "hoist": role.hoist, "icon": null, "unicode_emoji": null, "position": role.position,
        "permissions": role.permissions.0.to_string(), "managed": role.managed, "mentionable": role.mentionable,
        "flags": 0,
    })
}

/// A time as Discord writes it (RFC 3339 in UTC).
pub(crate) fn timestamp(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let micros = unix_ns % 1_000_000_000 / 1_000;
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

/// Year, month and day of a number of days since 1970-01-01, by counting in years that start in March.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(timestamp(1_709_210_096_123_456_789), "2024-02-29T12:34:56.123456+00:00");
    }
}
