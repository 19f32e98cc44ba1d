//! Into Discord's tick: from the moment at which a packet is there for a room until the local Discord has it.
//!
//! The bot is the one of `discord-bridge`, with its driver, in a process of its own, since a process learns once and for all
//! whom to trust. Discord wants a packet every 20 ms of a clock that begins anew with each join; so it joins often.

use super::NAME;
use crate::benches;
use crate::speech::Talk;
use anyhow::{Result, bail, ensure};
use bridge_kit::config::Secret;
use bridge_kit::media::{InPacket, MediaPool, MediaSource, SourceSpec};
use discord_bridge::Visitor;
use discord_bridge::config::{ApiBase, Discord};
use discord_standin::types::{Frame, FrameKind};
use discord_standin::{ControlClient, Info, Standin, digest};
use e2e::audio::Voice;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;
use tokio::time::sleep;

const FRAME: Duration = Duration::from_millis(20);

/// Packets that are said before the network stalls, and after it.
const BEFORE: usize = 100;
const AFTER: usize = 100;

/// Packets that a stall of 300 ms holds up and brings all at once.
const HELD_UP: usize = 15;

/// Packets after the stall by which everything has to be as before: those of a second.
const SETTLED: usize = 50;

/// Who comes to another moment of Discord's tick with each join: no multiple of it.
const STEP: Duration = Duration::from_micros(7_300);

/// How long the bot may take until it is where it should be.
const PATIENCE: Duration = Duration::from_secs(20);

/// The least share of the packets before the stall that must be heard.
const LEAST_HEARD: f64 = 0.95;

/// The name of the person who listens.
const LISTENER: &str = "listener";

/// Delays in ms.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Delays {
    /// Of steady speech, the first words included.
    pub(super) steady: Vec<f64>,
    /// From one second after a stall of the network on.
    pub(super) after_stall: Vec<f64>,
}

/// Joins so many times.
pub(super) fn measure(joins: usize) -> Result<Delays> {
    Runtime::new()?.block_on(async {
        let standin = Standin::start(discord_standin::Config::default()).await?;
        let mut bot = benches::part(NAME)?;
        bot.args([joins.to_string(), serde_json::to_string(standin.info())?]);
        bot.env("SSL_CERT_FILE", &standin.info().ca);
        let mut bot = tokio::process::Command::from(bot);
        let output = bot.stdout(Stdio::piped()).kill_on_drop(true).output().await?;
        standin.shutdown().await;
        ensure!(output.status.success(), "the bot: {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    })
}

/// The bot's process.
pub(super) fn part(arguments: &[String]) -> Result<()> {
    let [joins, info] = arguments else {
        bail!("how often to join, and where Discord is");
    };
    let (joins, info) = (joins.parse()?, serde_json::from_str(info)?);
    let delays = Runtime::new()?.block_on(visit(joins, &info))?;
    serde_json::to_writer(std::io::stdout().lock(), &delays)?;
    Ok(())
}

async fn visit(joins: u32, info: &Info) -> Result<Delays> {
    let control = ControlClient::new(&info.control);
    let (guild, channel): (NonZeroU64, NonZeroU64) = (info.guild_id.parse()?, info.voice_channel_id.parse()?);
    control.create_person(LISTENER).await?;
    control.join(LISTENER, &info.voice_channel_id).await?;
    control.record(LISTENER).await?;
    let bot = Visitor::new(discord(info)?);
    until("the bot knows the channel", async || Ok(bot.knows(guild, channel))).await?;
    let pool = MediaPool::new(NonZeroUsize::MIN)?;
    let talk = Talk::of(Voice::ALL[0], Duration::from_secs(10))?;
    let mut delays = Delays::default();
    for join in 0..joins {
        let room = pool.room("bench");
        let visit = bot.join(guild, channel, &room).await.map_err(anyhow::Error::msg)?;
        until("all have the keys of all", async || {
            let state = control.state().await?;
            let mut channels = state.channels.into_iter();
            let known = channels.find(|known| known.id == info.voice_channel_id);
            Ok(known.and_then(|known| known.call).is_some_and(|call| call.is_agreed()))
        })
        .await?;
        let since = control.frames(LISTENER, 0).await?.next;
        let source = room.add_source(SourceSpec::new("vdp").gated());
        sleep(STEP * join).await;
        let words = talk.packets.clone();
        let said = tokio::task::spawn_blocking(move || speak(&source, &words)).await?;
        sleep(Duration::from_millis(500)).await;
        let heard = control.frames(LISTENER, since).await?.frames;
        delays.add(&said, &heard)?;
        visit.leave().await;
    }
    Ok(delays)
}

fn discord(info: &Info) -> Result<Discord> {
    Ok(Discord {
        token: Secret::new(&info.token),
        api: Some(ApiBase::new(&Url::parse(&info.api_base)?).map_err(anyhow::Error::msg)?),
        pictures: Url::parse(&info.api_base)?,
        announce: false,
        max_channels: 1,
        ignore_users: vec![],
        known_bridges: vec![],
        bridge_bots: true,
    })
}

async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await? {
        ensure!(Instant::now() < deadline, "never came true: {what}");
        sleep(FRAME).await;
    }
    Ok(())
}

/// A packet that was said: what it was, and when, in UNIX nanoseconds.
struct Said {
    digest: String,
    at_ns: u64,
}

/// Speaks, as it comes over a network that stalls once.
fn speak(source: &MediaSource, words: &[Vec<u8>]) -> Vec<Said> {
    let start = Instant::now();
    let words = words.iter().cycle().take(BEFORE + HELD_UP + AFTER);
    let due = |number: usize| {
        let held_up = (BEFORE..BEFORE + HELD_UP).contains(&number);
        let frames = if held_up { BEFORE + HELD_UP } else { number };
        start + FRAME * u32::try_from(frames).unwrap_or_default()
    };
    words
        .zip(0_u64..)
        .map(|(opus, sequence)| {
            let due = due(usize::try_from(sequence).unwrap_or_default());
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            source.push(&InPacket {
                opus,
                sequence,
                media_time: None,
                level: None,
                marks: None,
                received: Instant::now(),
            });
            Said {
                digest: digest(opus),
                at_ns: u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or_default(),
            }
        })
        .collect()
}

impl Delays {
    /// Finds what was said in what was heard, each word once and in order.
    fn add(&mut self, said: &[Said], heard: &[Frame]) -> Result<()> {
        let mut rest = said.iter().enumerate();
        let steady = self.steady.len();
        for frame in heard.iter().filter(|frame| frame.kind == FrameKind::Voice) {
            let mut ahead = rest.clone();
            let found = ahead.find(|(_, word)| frame.opus_digest.as_ref() == Some(&word.digest));
            let Some((number, word)) = found else {
                continue;
            };
            rest = ahead;
            let delay = Duration::from_nanos(frame.at_ns.saturating_sub(word.at_ns)).as_secs_f64() * 1_000.0;
            if number < BEFORE {
                self.steady.push(delay);
            } else if number >= BEFORE + HELD_UP + SETTLED {
                self.after_stall.push(delay);
            }
        }
        let heard = (self.steady.len() - steady) as f64 / BEFORE as f64;
        ensure!(heard >= LEAST_HEARD, "only {:.0} % were heard", heard * 100.0);
        ensure!(!self.after_stall.is_empty(), "nothing was heard after the stall");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use discord_standin::types::Protection;

    fn frame(opus: &[u8], at_ns: u64) -> Frame {
        Frame {
            index: 0,
            at_ns,
            ssrc: 1,
            user_id: String::new(),
            sequence: 0,
            timestamp: 0,
            size: opus.len(),
            kind: FrameKind::Voice,
            protection: Protection::Encrypted,
            lost_before: 0,
            spurt_start: false,
            digest: String::new(),
            opus_digest: Some(digest(opus)),
        }
    }

    #[test]
    fn each_word_is_found_once_and_in_order() {
        let said: Vec<Said> = (0..BEFORE + HELD_UP + AFTER)
            .map(|number| Said {
                // Somebody who repeats himself.
                digest: digest(&[u8::try_from(number % 7).unwrap()]),
                at_ns: number as u64 * 20_000_000,
            })
            .collect();
        let hear = |delay_ms: u64, missing: usize| -> Vec<Frame> {
            let words = (0..said.len()).filter(|number| *number != missing);
            let at = |number: usize| said[number].at_ns + delay_ms * 1_000_000;
            words
                .map(|number| frame(&[u8::try_from(number % 7).unwrap()], at(number)))
                .collect()
        };
        let mut delays = Delays::default();
        delays.add(&said, &hear(30, BEFORE + 3)).unwrap();
        assert_eq!(delays.steady, [30.0; BEFORE]);
        assert_eq!(delays.after_stall, [30.0; AFTER - SETTLED]);
        assert!(delays.add(&said, &[]).is_err(), "nothing was heard");
    }
}
