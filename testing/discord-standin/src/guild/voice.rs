//! Who may be in which voice channel.

use super::{Channel, Guild, permissions::Permissions};
use crate::{control::types::ChannelKind, snowflake::Snowflake};

/// A user's place in voice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "Discord's voice state is made of them")]
pub(crate) struct VoiceState {
    pub(crate) channel: Snowflake,
    pub(crate) session_id: String,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
    pub(crate) mute: bool,
    pub(crate) deaf: bool,
    pub(crate) suppress: bool,
    /// Since when he asks to speak on a stage.
    pub(crate) request_to_speak_ns: Option<u64>,
}

impl VoiceState {
    /// Whether the voice server passes this member's voice on.
    pub(crate) const fn may_be_heard(&self) -> bool {
        !(self.self_mute || self.mute || self.suppress)
    }

    /// Whether the voice server sends to this member.
    pub(crate) const fn hears(&self) -> bool {
        !(self.self_deaf || self.deaf)
    }
}

/// Why a user may not join a voice channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VoiceRefusal {
    #[error("no such voice channel")]
    NoVoiceChannel,
    #[error("no permission to connect")]
    NotPermitted,
    #[error("the channel is full")]
    Full,
}

impl Guild {
    /// Puts a user into a voice channel that he may join.
    pub(crate) fn join_voice(
        &mut self,
        user: Snowflake,
        channel: Snowflake,
        session_id: &str,
        flags: (bool, bool),
    ) -> Result<VoiceState, VoiceRefusal> {
        self.may_join(user, channel)?;
        self.enter_voice(user, channel, session_id, flags)
    }

    /// Puts a user into a voice channel, or moves him there, whether he may join it or not. Server mute and deaf stay
    /// with him.
    pub(crate) fn enter_voice(
        &mut self,
        user: Snowflake,
        channel: Snowflake,
        session_id: &str,
        (self_mute, self_deaf): (bool, bool),
    ) -> Result<VoiceState, VoiceRefusal> {
        self.voice_channel(channel)?;
        let before = self.voice.get(&user);
        let moved = before.is_none_or(|state| state.channel != channel);
        let state = VoiceState {
            channel,
            session_id: session_id.to_owned(),
            self_mute,
            self_deaf,
            mute: before.is_some_and(|state| state.mute),
            deaf: before.is_some_and(|state| state.deaf),
            suppress: match before {
                Some(state) if !moved => state.suppress,
                _ => self.starts_suppressed(user, channel),
            },
            request_to_speak_ns: before.filter(|_| !moved).and_then(|state| state.request_to_speak_ns),
        };
        self.voice.insert(user, state.clone());
        Ok(state)
    }

    fn voice_channel(&self, channel: Snowflake) -> Result<&Channel, VoiceRefusal> {
        self.channels
            .get(&channel)
            .filter(|target| target.kind != ChannelKind::Text)
            .ok_or(VoiceRefusal::NoVoiceChannel)
    }

    fn may_join(&self, user: Snowflake, channel: Snowflake) -> Result<(), VoiceRefusal> {
        let target = self.voice_channel(channel)?;
        if self.voice.get(&user).is_some_and(|state| state.channel == channel) {
            return Ok(());
        }
        let permissions = self.permissions(user, channel);
        if !permissions.contains(Permissions::VIEW_CHANNEL | Permissions::CONNECT) {
            return Err(VoiceRefusal::NotPermitted);
        }
        let present = self.voice.values().filter(|state| state.channel == channel).count();
        let full = target.user_limit > 0 && u32::try_from(present).unwrap_or(u32::MAX) >= target.user_limit;
        if full && !permissions.contains(Permissions::MOVE_MEMBERS) {
            return Err(VoiceRefusal::Full);
        }
        Ok(())
    }

    fn starts_suppressed(&self, user: Snowflake, channel: Snowflake) -> bool {
        let stage = self
            .channels
            .get(&channel)
            .is_some_and(|channel| channel.kind == ChannelKind::Stage);
        let away = self.afk_channel == Some(channel);
        stage || away || !self.permissions(user, channel).contains(Permissions::SPEAK)
    }

    /// Applies changed permissions to those who are in voice; returns who was suppressed or released.
    pub(crate) fn refresh_suppression(&mut self) -> Vec<Snowflake> {
        let changes: Vec<_> = self
            .voice
            .iter()
            .filter(|(_, state)| {
                self.channels
                    .get(&state.channel)
                    .is_some_and(|channel| channel.kind == ChannelKind::Voice)
            })
            .filter_map(|(user, state)| {
                let suppress = self.starts_suppressed(*user, state.channel);
                (suppress != state.suppress).then_some((*user, suppress))
            })
            .collect();
        for (user, suppress) in &changes {
            if let Some(state) = self.voice.get_mut(user) {
                state.suppress = *suppress;
            }
        }
        changes.into_iter().map(|(user, _)| user).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::types::AccountKind,
        guild::{FIRST_BOT, FirstIds, permissions::OverwriteTarget},
    };

    const TEXT_CHANNEL: Snowflake = FirstIds::OF_FIRST_GUILD.text_channel;
    const VOICE_CHANNEL: Snowflake = FirstIds::OF_FIRST_GUILD.voice_channel;
    const BOT: OverwriteTarget = OverwriteTarget::Member(FIRST_BOT);

    fn join(guild: &mut Guild, user: Snowflake, channel: Snowflake) -> Result<VoiceState, VoiceRefusal> {
        guild.join_voice(user, channel, "session", (false, false))
    }

    #[test]
    fn a_text_channel_and_an_unknown_one_cannot_be_joined() {
        let mut guild = Guild::example();
        let text = join(&mut guild, FIRST_BOT, TEXT_CHANNEL);
        assert_eq!(text, Err(VoiceRefusal::NoVoiceChannel));
        let unknown = join(&mut guild, FIRST_BOT, Snowflake(7));
        assert_eq!(unknown, Err(VoiceRefusal::NoVoiceChannel));
    }

    #[test]
    fn a_full_channel_takes_only_those_who_may_move_members() {
        let mut guild = Guild::example();
        let channel = guild.add_channel("small", ChannelKind::Voice, 1);
        let person = guild.add_account("alice", AccountKind::Person);
        join(&mut guild, person, channel).unwrap();
        assert_eq!(join(&mut guild, FIRST_BOT, channel), Err(VoiceRefusal::Full));
        guild.roles.get_mut(&guild.first.bot_role).unwrap().permissions |= Permissions::MOVE_MEMBERS;
        assert!(join(&mut guild, FIRST_BOT, channel).is_ok());
    }

    #[test]
    fn without_connect_nobody_joins() {
        let mut guild = Guild::example();
        guild.set_overwrite(VOICE_CHANNEL, BOT, Some((Permissions::default(), Permissions::CONNECT)));
        let refused = join(&mut guild, FIRST_BOT, VOICE_CHANNEL);
        assert_eq!(refused, Err(VoiceRefusal::NotPermitted));
        guild.set_overwrite(VOICE_CHANNEL, BOT, None);
        assert!(join(&mut guild, FIRST_BOT, VOICE_CHANNEL).is_ok());
    }

    #[test]
    fn a_stage_and_a_lost_speak_permission_suppress() {
        let mut guild = Guild::example();
        let stage = guild.add_channel("stage", ChannelKind::Stage, 0);
        assert!(join(&mut guild, FIRST_BOT, stage).unwrap().suppress);
        assert!(!join(&mut guild, FIRST_BOT, VOICE_CHANNEL).unwrap().suppress);
        guild.set_overwrite(VOICE_CHANNEL, BOT, Some((Permissions::default(), Permissions::SPEAK)));
        assert_eq!(guild.refresh_suppression(), [FIRST_BOT]);
        assert!(!guild.voice.get(&FIRST_BOT).unwrap().may_be_heard());
    }

    #[test]
    fn nobody_speaks_in_the_afk_channel_and_a_moderator_moves_past_every_limit() {
        let mut guild = Guild::example();
        let person = guild.add_account("alice", AccountKind::Person);
        let small = guild.add_channel("small", ChannelKind::Voice, 1);
        guild.afk_channel = Some(VOICE_CHANNEL);
        assert!(join(&mut guild, FIRST_BOT, VOICE_CHANNEL).unwrap().suppress);
        join(&mut guild, person, small).unwrap();
        let moved = guild.enter_voice(FIRST_BOT, small, "session", (false, false));
        assert!(!moved.unwrap().suppress);
        let text = guild.enter_voice(FIRST_BOT, TEXT_CHANNEL, "session", (false, false));
        assert_eq!(text, Err(VoiceRefusal::NoVoiceChannel));
    }
}
