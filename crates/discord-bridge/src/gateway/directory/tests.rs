use std::num::NonZeroU64;

use serde_json::{Value, json};
use serenity::all::{GuildCreateEvent, GuildDeleteEvent};

use super::*;

const GUILD: u64 = 1;
const BOT: u64 = 10;

fn id(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// A channel as the gateway tells of it; `deny` is an overwrite for the bot.
fn channel(number: u64, kind: u8, user_limit: u32, deny: Flags) -> Value {
    json!({
        "id": number.to_string(), "guild_id": GUILD.to_string(), "type": kind, "name": format!("channel {number}"),
        "position": 0, "user_limit": user_limit, "bitrate": 64000, "nsfw": false,
        "permission_overwrites": [
            { "id": BOT.to_string(), "type": 1, "allow": "0", "deny": deny.bits().to_string() },
        ],
    })
}

fn member(number: u64, bot: bool) -> Value {
    json!({
        "user": { "id": number.to_string(), "username": format!("user {number}"), "discriminator": "0", "avatar": null, "bot": bot },
        "roles": [], "joined_at": "2024-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
    })
}

fn voice_state(user: u64, channel: u64) -> Value {
    json!({
        "user_id": user.to_string(), "channel_id": channel.to_string(), "session_id": "s", "deaf": false, "mute": false,
        "self_deaf": false, "self_mute": false, "self_video": false, "suppress": false,
    })
}

fn guild() -> Value {
    let everyone = Flags::VIEW_CHANNEL | Flags::CONNECT | Flags::SPEAK;
    json!({
        "id": GUILD.to_string(), "name": "guild", "owner_id": "99", "afk_channel_id": "24", "afk_timeout": 300,
        "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0, "emojis": [],
        "features": [], "mfa_level": 0, "system_channel_flags": 0, "premium_tier": 0, "preferred_locale": "en-US",
        "nsfw_level": 0, "stickers": [], "premium_progress_bar_enabled": false, "joined_at": "2024-01-01T00:00:00Z",
        "large": false, "unavailable": false, "member_count": 3, "threads": [], "presences": [], "stage_instances": [],
        "guild_scheduled_events": [], "soundboard_sounds": [], "nsfw": false,
        "roles": [{
            "id": GUILD.to_string(), "name": "@everyone", "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null }, "hoist": false, "position": 0,
            "permissions": everyone.bits().to_string(), "managed": false, "mentionable": false, "flags": 0,
        }],
        "channels": [
            channel(20, 2, 5, Flags::empty()),
            channel(21, 0, 0, Flags::empty()),
            channel(22, 13, 0, Flags::empty()),
            channel(23, 2, 0, Flags::SPEAK | Flags::CONNECT),
            channel(24, 2, 0, Flags::empty()),
        ],
        "members": [member(BOT, true), member(11, false), member(12, true)],
        "voice_states": [voice_state(BOT, 20), voice_state(11, 20), voice_state(12, 20)],
    })
}

fn directory() -> (Directory, Arc<Cache>) {
    let cache = Arc::new(Cache::new());
    let mut event: GuildCreateEvent = serde_json::from_value(guild()).unwrap();
    cache.update(&mut event);
    let directory = Directory::default();
    directory.open(Arc::clone(&cache), UserId(id(BOT)));
    (directory, cache)
}

fn place(directory: &Directory, channel: u64) -> Place {
    directory.place(Some(GuildId(id(GUILD))), ChannelId(id(channel)))
}

fn known(directory: &Directory, channel: u64) -> ChannelFacts {
    match place(directory, channel) {
        Place::Known(facts) => facts,
        place => panic!("{place:?}"),
    }
}

#[test]
fn a_voice_channel_is_described_without_the_bot_in_it() {
    let (directory, _) = directory();
    let mut facts = known(&directory, 20);
    facts.members.sort();
    assert_eq!(facts.members, [UserId(id(11)), UserId(id(12))]);
    assert_eq!(
        (facts.kind, facts.user_limit, facts.afk),
        (ChannelKind::Voice, 5, false)
    );
    assert_eq!(
        facts.permissions,
        Permissions {
            view: true,
            connect: true,
            speak: true,
            exceed_limit: false
        }
    );
}

#[test]
fn kinds_and_permissions_are_told_apart() {
    let (directory, _) = directory();
    assert_eq!(known(&directory, 21).kind, ChannelKind::Text);
    assert_eq!(known(&directory, 22).kind, ChannelKind::Stage(Floor::Closed));
    assert_eq!(known(&directory, 23).permissions.missing(), ["Connect", "Speak"]);
    assert!(known(&directory, 24).afk);
}

#[test]
fn the_way_to_a_stages_floor_depends_on_permissions() {
    let all = Flags::MUTE_MEMBERS | Flags::REQUEST_TO_SPEAK;
    assert_eq!(floor(all), Floor::Free);
    assert_eq!(floor(Flags::REQUEST_TO_SPEAK | Flags::SPEAK), Floor::OnRequest);
    assert_eq!(floor(Flags::SPEAK), Floor::Closed);
    let on_stage = permissions(
        Flags::VIEW_CHANNEL | Flags::CONNECT,
        ChannelKind::Stage(Floor::OnRequest),
    );
    assert!(on_stage.missing().is_empty(), "{on_stage:?}");
    assert_eq!(
        permissions(Flags::VIEW_CHANNEL | Flags::CONNECT, ChannelKind::Voice).missing(),
        ["Speak"]
    );
}

#[test]
fn what_is_not_there_is_told_apart() {
    let (directory, cache) = directory();
    assert_eq!(place(&directory, 77), Place::UnknownChannel);
    assert_eq!(
        directory.place(Some(GuildId(id(2))), ChannelId(id(20))),
        Place::UnknownGuild
    );
    assert_eq!(directory.place(None, ChannelId(id(77))), Place::UnknownChannel);
    assert!(
        matches!(directory.place(None, ChannelId(id(20))), Place::Known(_)),
        "the channel's own guild is taken"
    );
    let gone = |unavailable| json!({ "id": GUILD.to_string(), "unavailable": unavailable });
    cache.update(&mut serde_json::from_value::<GuildDeleteEvent>(gone(false)).unwrap());
    assert_eq!(place(&directory, 20), Place::UnknownGuild);
    directory.close();
    assert_eq!(place(&directory, 20), Place::Offline);
}

#[test]
fn the_bot_is_where_its_voice_state_says() {
    let (directory, _) = directory();
    assert_eq!(directory.bot_place(GuildId(id(GUILD))), BotPlace::In(ChannelId(id(20))));
    assert_eq!(directory.bot_place(GuildId(id(2))), BotPlace::Unknown);
}

/// S12: what rooms show of people, with the newest that is known of them.
#[test]
fn people_are_described_as_they_are() {
    let (directory, cache) = directory();
    let mut member = member(11, false);
    member["nick"] = json!("Ada");
    member["user"]["avatar"] = json!("0123456789abcdef0123456789abcdef");
    let mut state = voice_state(11, 20);
    state["guild_id"] = json!(GUILD.to_string());
    state["self_mute"] = json!(true);
    state["deaf"] = json!(true);
    state["suppress"] = json!(true);
    state["member"] = member;
    cache.update(&mut serde_json::from_value::<serenity::all::VoiceStateUpdateEvent>(state).unwrap());
    let crowd = |channel| directory.crowd(None, ChannelId(id(channel)));
    let people = crowd(20).unwrap();
    assert_eq!(people.len(), 2, "{people:?}");
    let expected = Person {
        id: UserId(id(11)),
        name: "Ada".to_owned(),
        avatar: Some("avatars/11/0123456789abcdef0123456789abcdef".to_owned()),
        bot: false,
        self_mute: true,
        self_deaf: false,
        server_mute: false,
        server_deaf: true,
        suppressed: true,
    };
    assert!(people.contains(&expected), "{people:?}");
    assert!(!expected.hears());
    assert!(
        people
            .iter()
            .any(|person| person.bot && person.name == "user 12" && person.hears())
    );
    assert_eq!(crowd(21), Some(vec![]), "nobody is in a text channel");
    assert_eq!(crowd(77), Some(vec![]));
    directory.close();
    assert_eq!(crowd(20), None, "nobody can say");
}

#[test]
fn bots_are_known_as_such() {
    let (directory, _) = directory();
    let is_bot = |user| directory.is_bot(GuildId(id(GUILD)), UserId(id(user)));
    assert!(is_bot(12) && !is_bot(11) && !is_bot(500));
}

#[tokio::test]
async fn the_bot_has_left_when_its_voice_state_says_so() {
    let (directory, cache) = directory();
    let guild = GuildId(id(GUILD));
    let mut leaving = std::pin::pin!(directory.bot_left(guild));
    tokio::select! {
        biased;
        () = &mut leaving => panic!("it is still there"),
        () = std::future::ready(()) => {}
    }
    let mut state = voice_state(BOT, 20);
    state["channel_id"] = Value::Null;
    state["guild_id"] = json!(GUILD.to_string());
    cache.update(&mut serde_json::from_value::<serenity::all::VoiceStateUpdateEvent>(state).unwrap());
    directory.bot_moved();
    leaving.await;
}
