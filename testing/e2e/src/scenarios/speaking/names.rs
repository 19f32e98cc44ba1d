//! Names of those who speak on Discord, as a page in Matrix is told them.

use super::Lags;
use super::courier::Courier;
use crate::audio::{Voice, wall_clock_ms};
use crate::browser::{Browser, PageState, Recordings, SpeakerChange};
use crate::scenarios::bench::{Bench, note};
use crate::stack::{BridgedRoom, Stack, wait_for};
use anyhow::{Context as _, Result};
use discord_standin::ControlClient;
use discord_standin::types::Playback;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long Dora and Erik talk at least; their files end with a sentence.
const OF_DORA: Duration = Duration::from_secs(4);
const OF_ERIK: Duration = Duration::from_secs(5);
/// How much later Erik begins where both talk: Dora has not finished then, and he has not when she has.
const LATER: Duration = Duration::from_secs(2);
/// Between turns.
const PAUSE: Duration = Duration::from_secs(2);
/// How often Dora talks until she is named for the first time.
const TRIES: usize = 4;

/// From the first frame on Discord to the name on the page, beyond what a homeserver takes to bring the event where that is how it
/// comes; and from the last to its end, with all that lies between.
const NAMED_WITHIN_MS: f64 = 100.0;
const ENDED_WITHIN_MS: f64 = 300.0;
/// A frame.
const FRAME_MS: f64 = 20.0;

/// LiveKit looks for speakers twice a second, and forgets them slowly.
const LIVEKIT_FORGETS: Duration = Duration::from_secs(3);

/// The people on Discord.
pub(super) struct People {
    guild: ControlClient,
    dora: Person,
    erik: Person,
    bridge: String,
}

struct Person {
    id: String,
    name: String,
    voice: Voice,
    length: Duration,
}

/// Somebody has begun to speak, or has finished: from then on these speak.
struct Edge {
    at: f64,
    names: Vec<String>,
    begins: bool,
}

impl People {
    /// Dora and Erik, in the voice channel of the room.
    pub(super) async fn join(stack: &Stack, room: &BridgedRoom, call: &str) -> Result<Self> {
        let guild = stack.standin()?.control.of_guild(&room.guild_id);
        let people = [("dora", Voice::Dora, OF_DORA), ("erik", Voice::Erik, OF_ERIK)];
        let mut joined = Vec::new();
        for (name, voice, length) in people {
            let name = format!("{name} ({call})");
            let id = guild.create_person(&name).await?.id;
            guild.join(&id, &room.channel_id).await?;
            joined.push(Person {
                id,
                name,
                voice,
                length,
            });
        }
        let [dora, erik] = joined.try_into().ok().context("two people")?;
        Ok(Self {
            guild,
            dora,
            erik,
            bridge: stack.voice_bot(),
        })
    }

    /// Who hears what the bridge says.
    pub(super) fn listener(&self) -> &str {
        &self.dora.id
    }

    /// What a page recorded, of the bridge where it tells members apart.
    pub(super) async fn heard_beside(&self, page: &mut Browser) -> Result<Recordings> {
        let bridge = page.state().await?.member(&self.bridge).cloned();
        Ok(match bridge {
            Some(bridge) => page.recordings_with(&bridge).await?,
            None => page.recordings().await?,
        })
    }

    pub(super) async fn leave(&self) -> Result<()> {
        for person in [&self.dora, &self.erik] {
            self.guild.leave(&person.id).await?;
        }
        Ok(())
    }

    /// Has somebody begin to talk.
    async fn begin(&self, bench: &Bench, person: &Person) -> Result<()> {
        let file = bench.speech.file(person.voice, person.length)?;
        self.guild.play(&person.id, &file, false).await?;
        Ok(())
    }

    /// Waits until somebody has finished; when he began, and when his last frame left.
    async fn spoken(&self, person: &Person) -> Result<(f64, f64)> {
        let limit = person.length * 4;
        let playback = wait_for("somebody to finish", limit, || async {
            let playback = self.guild.playback(&person.id).await?;
            Ok((!playback.playing).then_some(playback))
        });
        let Playback {
            started_at_ns,
            finished_at_ns,
            ..
        } = playback.await?;
        let finished = wall_clock_ms(finished_at_ns.context("he has finished")?);
        Ok((wall_clock_ms(started_at_ns), finished - FRAME_MS))
    }

    /// One after the other, then both, so many times.
    async fn rounds(&self, bench: &Bench, rounds: usize) -> Result<Vec<Edge>> {
        let mut edges = Vec::new();
        for _ in 0..rounds {
            edges.extend(self.turn(bench, &self.dora).await?);
            edges.extend(self.turn(bench, &self.erik).await?);
            edges.extend(self.both(bench).await?);
        }
        Ok(edges)
    }

    /// One talks alone.
    async fn turn(&self, bench: &Bench, person: &Person) -> Result<Vec<Edge>> {
        self.begin(bench, person).await?;
        let (from, to) = self.spoken(person).await?;
        sleep(PAUSE).await;
        Ok(vec![Edge::begins(from, &[person]), Edge::ends(to, &[])])
    }

    /// Erik begins while Dora talks, and goes on when she has finished.
    async fn both(&self, bench: &Bench) -> Result<Vec<Edge>> {
        let (dora, erik) = (&self.dora, &self.erik);
        self.begin(bench, dora).await?;
        sleep(LATER).await;
        self.begin(bench, erik).await?;
        let (dora_from, dora_to) = self.spoken(dora).await?;
        let (erik_from, erik_to) = self.spoken(erik).await?;
        sleep(PAUSE).await;
        Ok(vec![
            Edge::begins(dora_from, &[dora]),
            Edge::begins(erik_from, &[dora, erik]),
            Edge::ends(dora_to, &[erik]),
            Edge::ends(erik_to, &[]),
        ])
    }
}

impl Edge {
    fn new(at: f64, speak: &[&Person], begins: bool) -> Self {
        let names = speak.iter().map(|person| person.name.clone()).collect();
        Self { at, names, begins }
    }

    fn begins(at: f64, speak: &[&Person]) -> Self {
        Self::new(at, speak, true)
    }

    fn ends(at: f64, speak: &[&Person]) -> Self {
        Self::new(at, speak, false)
    }
}

/// They talk one after the other, then both at once, so many times: the page names who speaks, and nobody else.
pub(super) async fn checks(
    bench: &mut Bench,
    call: &str,
    page: &mut Browser,
    people: &People,
    (rounds, mut courier): (usize, Option<Courier>),
) -> Result<()> {
    // The bridge may still be entering the voice channel, or agreeing on keys there.
    for _ in 0..TRIES {
        people.turn(bench, &people.dora).await?;
        if !page.state().await?.speaker_changes.is_empty() {
            break;
        }
    }
    let before = page.state().await?.speaker_changes.len();

    let edges = match &mut courier {
        None => people.rounds(bench, rounds).await?,
        Some(courier) => tokio::select! {
            edges = people.rounds(bench, rounds) => edges?,
            failed = courier.run() => return failed,
        },
    };
    let changes = page.state().await?.speaker_changes.split_off(before);
    let expected: Vec<_> = edges.iter().map(|edge| &edge.names).collect();
    let told: Vec<_> = changes.iter().map(|change| &change.names).collect();
    bench.check(
        &format!("{call}: the page is told of exactly those who speak on Discord, by name"),
        told == expected,
        if told == expected {
            format!("{} changes, none more", told.len())
        } else {
            format!(
                "{} changes, {} expected: {}",
                told.len(),
                expected.len(),
                sequence(&changes)
            )
        },
    );
    let lags = |begins: bool| {
        let pairs = edges.iter().zip(&changes).filter(|(edge, _)| edge.begins == begins);
        Lags::new(pairs.map(|(edge, change)| change.at - edge.at).collect())
    };
    let named_within = NAMED_WITHIN_MS + courier.map_or(0.0, |courier| transport(call, courier));
    for (begins, what, limit) in [
        (
            true,
            "from the first frame on Discord to the name on the page",
            named_within,
        ),
        (false, "from the last frame to its end", ENDED_WITHIN_MS),
    ] {
        let lags = lags(begins);
        let figure = format!("{lags} ({limit:.0} ms allowed)");
        bench.check(&format!("{call}: {what}"), lags.are_within(limit), figure);
    }
    Ok(())
}

/// What the homeserver took to bring events to a device meanwhile, at the longest.
fn transport(call: &str, courier: Courier) -> f64 {
    let taken = courier.taken();
    note(
        &format!("{call}: what the homeserver takes to bring an event to a device"),
        &taken,
    );
    taken.longest()
}

/// LiveKit's own ring of the bridge follows the levels of its packets.
pub(super) async fn ring_checks(bench: &mut Bench, page: &mut Browser, people: &People) -> Result<()> {
    people.begin(bench, &people.erik).await?;
    for (state, speaks) in [
        ("lit while somebody talks on Discord", true),
        ("dark when he has finished", false),
    ] {
        if !speaks {
            people.spoken(&people.erik).await?;
        }
        let started = Instant::now();
        let rings = |page: &PageState| {
            let bridge = page.member(&people.bridge);
            bridge.is_some_and(|bridge| bridge.speaking == Some(speaks))
        };
        let seen = page.wait_until("the bridge's ring", LIVEKIT_FORGETS, rings).await;
        let figure = seen.as_ref().map_or_else(ToString::to_string, |_| {
            format!("after {:.1} s", started.elapsed().as_secs_f64())
        });
        bench.check(
            &format!("MatrixRTC: the bridge's own ring is {state}"),
            seen.is_ok(),
            figure,
        );
    }
    Ok(())
}

/// The changes, for whoever has to find out what went wrong.
fn sequence(changes: &[SpeakerChange]) -> String {
    let first = changes.first().map_or(0.0, |change| change.at);
    let shown = |change: &SpeakerChange| format!("{:.0} ms {:?}", change.at - first, change.names);
    changes.iter().map(shown).collect::<Vec<_>>().join(", ")
}
