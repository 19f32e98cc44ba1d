//! A room shows who is in its voice channel: names, pictures, mute and deaf, while they are there and no longer, also where
//! the bridge was killed meanwhile; and by notices or not at all where it is set so.

use super::bench::{Bench, note};
use super::shown::{made_at, shown, shown_as, shows};
use super::silent_call::notices;
use crate::audio::unix_ms;
use crate::stack::{BridgedRoom, Stack, VOICE_MEMBER, wait_for};
use anyhow::Result;
use discord_standin::ControlClient;
use discord_standin::types::{ChannelKind, Looks, VoiceFlags};
use serde_json::{Value, json};
use std::time::Duration;

/// A picture's name on Discord.
const PICTURE: &str = "0123456789abcdef0123456789abcdef";
/// How long what should not happen is waited for.
const CALM: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_secs(20);

/// The settings of a restart.
const SHOW: &str = "DISCORD_BRIDGE_PEOPLE__SHOW";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = stack.standin()?.control.clone();
    let room = bench.room("mute and deaf").await?;
    let [ada, bob] = [
        person(&control, "ada-shown").await?,
        person(&control, "bob-shown").await?,
    ];
    comes(bench, &stack, &room, &ada).await?;
    changes(bench, &stack, &room, &ada).await?;
    on_a_stage(bench, &stack, &ada).await?;
    control.join(&bob, &room.channel_id).await?;
    killed(bench, &stack, &room, [&ada, &bob]).await?;
    without_power(bench, &stack, &control).await?;
    let outcome = otherwise(bench, &stack, &room, [&ada, &bob]).await;
    stack.discord_bridge.restart_with(&[]).await?;
    for who in [&ada, &bob] {
        control.leave(who).await?;
    }
    outcome
}

async fn person(control: &ControlClient, name: &str) -> Result<String> {
    Ok(control.create_person(name).await?.id)
}

/// She is shown from her coming on, without any call, and her ghost looks like her.
async fn comes(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, ada: &str) -> Result<()> {
    let control = &stack.standin()?.control;
    let looks = Looks {
        nick: Some("Ada L.".to_owned()),
        avatar: Some(PICTURE.to_owned()),
    };
    control.change_looks(ada, &looks).await?;
    let came = unix_ms();
    control.join(ada, &room.channel_id).await?;
    let event = shown_as(stack, room, ada, |_| true).await?;
    let content = &event["content"];
    let ghost = format!("@_vdp_discord_{ada}:localhost");
    let since = content["since"].as_f64().unwrap_or_default();
    let expected = json!({
        "version": 1, "id": ada, "user_id": ghost, "display_name": "Ada L.",
        "avatar": format!("avatars/{ada}/{PICTURE}"), "avatar_url": content["avatar_url"], "bot": false,
        "self_mute": false, "self_deaf": false, "server_mute": false, "server_deaf": false, "suppressed": false,
        "since": content["since"],
    });
    bench.check("she is shown as she is", *content == expected, content);
    bench.check(
        "since she came",
        (since - came).abs() < 5_000.0,
        format!("{:.0} ms after it", since - came),
    );
    note(
        "from her coming to the event",
        format!("{:.0} ms", made_at(&event) - came),
    );
    let key = event["state_key"].as_str().unwrap_or_default();
    bench.check(
        "under her ghost's key, by the bridge's bot",
        key == format!("_{ghost}") && event["sender"] == stack.discord_bot().as_str(),
        key,
    );
    let profile = stack.operator.profile(&ghost).await?;
    let address = profile["avatar_url"].as_str().unwrap_or_default();
    let picture = stack.operator.download(address).await.unwrap_or_default();
    bench.check(
        "her ghost has her name and picture",
        profile["displayname"] == "Ada L." && profile["avatar_url"] == content["avatar_url"] && picture.len() == 67,
        format!("{profile}, {} bytes", picture.len()),
    );
    Ok(())
}

/// Sets one of the switches.
type Set = fn(&mut VoiceFlags, bool);

/// Each switch is shown, and shown to be off again.
async fn changes(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, ada: &str) -> Result<()> {
    let control = &stack.standin()?.control;
    let flags = |set: Set, on: bool| {
        let mut flags = VoiceFlags::default();
        set(&mut flags, on);
        flags
    };
    let switches: [(&str, Set); 4] = [
        ("self_mute", |flags, on| flags.self_mute = Some(on)),
        ("self_deaf", |flags, on| flags.self_deaf = Some(on)),
        ("server_mute", |flags, on| flags.mute = Some(on)),
        ("server_deaf", |flags, on| flags.deaf = Some(on)),
    ];
    let mut delays = Vec::new();
    let mut right = 0;
    for (name, set) in switches {
        for on in [true, false] {
            let changed = unix_ms();
            control.set_voice(ada, flags(set, on)).await?;
            let event = shown_as(stack, room, ada, |content| content[name] == on).await?;
            delays.push(made_at(&event) - changed);
            let others = switches.iter().filter(|(other, _)| *other != name);
            right += usize::from(others.into_iter().all(|(other, _)| event["content"][*other] == false));
        }
    }
    delays.sort_by(f64::total_cmp);
    bench.check(
        "mute and deaf, her own and the server's, are shown and taken back",
        right == 8,
        format!(
            "{right} of 8, {:.0} ms later in the median, {:.0} ms at most",
            delays[delays.len() / 2],
            delays.last().copied().unwrap_or_default()
        ),
    );
    Ok(())
}

/// On a stage she is suppressed until she may speak; and the room of the channel that she left shows her no longer.
async fn on_a_stage(bench: &mut Bench, stack: &Stack, ada: &str) -> Result<()> {
    let standin = stack.standin()?;
    let control = &standin.control;
    let stage = control.create_channel("stage-shown", ChannelKind::Stage, 0).await?;
    let room = stack.bridged_room("a stage", &standin.info.guild_id, &stage.id).await?;
    control.join(ada, &stage.id).await?;
    let audience = shown_as(stack, &room, ada, |content| content["suppressed"] == true).await;
    let lifted = VoiceFlags {
        suppress: Some(false),
        ..VoiceFlags::default()
    };
    control.set_voice(ada, lifted).await?;
    let speaks = shown_as(stack, &room, ada, |content| content["suppressed"] == false).await;
    let both = audience.and(speaks);
    bench.check("on a stage she is suppressed, then not", both.is_ok(), figure(&both));
    Ok(())
}

/// The bridge is killed; she leaves meanwhile, he stays: she is swept, he is left as he was.
async fn killed(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, [ada, bob]: [&str; 2]) -> Result<()> {
    let control = &stack.standin()?.control;
    control.join(ada, &room.channel_id).await?;
    shows(stack, room, 2, WITHIN).await?;
    let before = shown(stack, room).await?;
    stack.discord_bridge.kill().await?;
    control.leave(ada).await?;
    stack.discord_bridge.start()?;
    stack.discord_bridge.ready().await?;
    let swept = shows(stack, room, 1, WITHIN).await;
    bench.check(
        "who left while the bridge was dead is swept",
        swept.is_ok(),
        figure(&swept),
    );
    let after = shown(stack, room).await?;
    let id = |shown: &std::collections::BTreeMap<String, Value>| shown.get(bob).map(|event| event["event_id"].clone());
    bench.check(
        "who stayed is left as he was, since when included",
        id(&before).is_some() && id(&before) == id(&after),
        format!("{:?}", after.get(bob).map(|event| &event["content"]["since"])),
    );
    let content = stack
        .operator
        .state_event(&room.id, VOICE_MEMBER, &format!("_@_vdp_discord_{ada}:localhost"))
        .await?;
    bench.check("her event is empty", content == json!({}), content);
    Ok(())
}

/// A room that lets only moderators set state says once what it takes, and shows people as soon as it is given.
async fn without_power(bench: &mut Bench, stack: &Stack, control: &ControlClient) -> Result<()> {
    let room = bench.room("no power").await?;
    let levels = "m.room.power_levels";
    let mut power = stack.operator.state_event(&room.id, levels, "").await?;
    power["events"][VOICE_MEMBER] = 50.into();
    stack.operator.set_state(&room.id, levels, "", power.clone()).await?;
    let cyd = person(control, "cyd-shown").await?;
    let said = || notices(&stack.operator, &room.id, "@discordbridge:localhost");
    control.join(&cyd, &room.channel_id).await?;
    let told = wait_for("the notice", WITHIN, || async { Ok(said().await?.into_iter().next()) }).await?;
    for self_mute in [true, false] {
        let flags = VoiceFlags {
            self_mute: Some(self_mute),
            ..VoiceFlags::default()
        };
        control.set_voice(&cyd, flags).await?;
    }
    tokio::time::sleep(CALM).await;
    let notices = said().await?.len();
    bench.check(
        "a room without power is told once what it takes",
        notices == 1 && told.contains("power level 50") && told.contains(VOICE_MEMBER),
        format!("{notices} notice: {told}"),
    );
    power["users"][stack.discord_bot()] = 50.into();
    stack.operator.set_state(&room.id, levels, "", power).await?;
    let shown = shown_as(stack, &room, &cyd, |_| true).await;
    bench.check("a moderator's power is enough", shown.is_ok(), figure(&shown));
    control.leave(&cyd).await?;
    let empty = shows(stack, &room, 0, WITHIN).await;
    bench.check("nobody is shown when nobody is there", empty.is_ok(), figure(&empty));
    Ok(())
}

/// By notices, and not at all.
async fn otherwise(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, [ada, bob]: [&str; 2]) -> Result<()> {
    let control = &stack.standin()?.control;
    let said = || notices(&stack.operator, &room.id, "@discordbridge:localhost");
    let before = said().await?.len();
    stack.discord_bridge.restart_with(&[(SHOW, "notices")]).await?;
    let swept = shows(stack, room, 0, WITHIN).await;
    bench.check(
        "where notices are set, states are taken back",
        swept.is_ok(),
        figure(&swept),
    );
    let dora = person(control, "dora-shown").await?;
    for who in [ada, &dora] {
        control.join(who, &room.channel_id).await?;
    }
    let told = wait_for("a notice", WITHIN, || async {
        let said = said().await?;
        Ok((said.len() > before).then(|| said.into_iter().next()).flatten())
    });
    let told = told.await?;
    control.leave(bob).await?;
    control.leave(&dora).await?;
    control.join(bob, &room.channel_id).await?;
    let left = wait_for("a second notice", WITHIN, || async {
        let said = said().await?;
        Ok((said.len() > before + 1).then(|| said.into_iter().next()).flatten())
    });
    let left = left.await?;
    bench.check(
        "who comes and leaves is said in one notice",
        told == "Ada L. and dora-shown joined voice on Discord" && left == "dora-shown left voice on Discord",
        format!("{told:?}, then {left:?}"),
    );
    let before = said().await?.len();
    stack.discord_bridge.restart_with(&[(SHOW, "off")]).await?;
    control.join(&dora, &room.channel_id).await?;
    tokio::time::sleep(CALM * 2).await;
    let (shown, said) = (shown(stack, room).await?.len(), said().await?.len() - before);
    control.leave(&dora).await?;
    bench.check(
        "where it is off, nothing is shown or said",
        shown == 0 && said == 0,
        format!("{shown} shown, {said} said"),
    );
    Ok(())
}

fn figure<T>(outcome: &Result<T>) -> String {
    outcome
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |_| "yes".to_owned())
}
