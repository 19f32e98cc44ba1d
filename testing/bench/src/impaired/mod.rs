//! What bad networks leave of speech: ours and Janus, through the same traces, with the same receiver behind.

mod network;
mod receiver;
mod score;

use self::network::{NETWORKS, Network, OF_THE_GOAL, Speakers, phase, speaker};
use self::receiver::{Came, play};
use self::score::{Pair, Score, Scorer};
use crate::benches::{Bench, no_part};
use crate::cpu::median;
use crate::ground::{Arrival, FRAME, Ground, Listener};
use crate::plan::Plan;
use crate::report::{Report, SETUP, Table};
use crate::speech::Talk;
use crate::systems::System;
use crate::systems::bridge::{Bridge, Mixes};
use crate::systems::janus::Janus;
use crate::tally::Numbers;
use anyhow::{Context as _, Result};
use e2e::audio::{Clock, Recording, SpeechCheck, Voice};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The bench.
pub const BENCH: Bench = Bench {
    name: "impaired",
    about: "PESQ, STOI and delay of speech through bad networks, beside Janus",
    run,
    part: no_part,
};

/// Traces of each network, each a room of its own; one says nothing.
const TRACES: usize = 20;

/// How long everybody speaks.
const SPEECH: Duration = Duration::from_secs(12);

/// When speech begins after the start, and how long it may be on its way.
const LEAD: Duration = Duration::from_millis(300);
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// The time of the start on the clock of recordings, in ms: any will do.
const START_MS: f64 = 10_000.0;

/// The complexity of Janus's encoders, as it comes.
const COMPLEXITY: u32 = 4;

/// What one system made of one network.
struct Outcome {
    name: String,
    heard: Result<Heard>,
}

/// What is heard behind a network and a system, of each trace.
struct Heard {
    scores: Vec<Score>,
    delays_ms: Vec<f64>,
}

fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new();
    let Some(scorer) = Scorer::find()? else {
        report.missing("PESQ and STOI", SETUP);
        return Ok(report);
    };
    let mut systems: Vec<Box<dyn System>> = vec![Box::new(Bridge(Mixes::Shipped))];
    if Janus::is_there() {
        let janus = [2, 6].map(|prebuffering| Janus {
            prebuffering,
            complexity: COMPLEXITY,
        });
        systems.extend(janus.map(|janus| Box::new(janus) as Box<dyn System>));
    } else {
        report.missing("Janus", SETUP);
    }
    let talks = Talk::of_all(&Voice::ALL, SPEECH)?;
    let mut table = Table::new(
        &format!("Speech through bad networks: means of {TRACES} traces, and their spread"),
        &["network", "system", "PESQ", "±", "STOI", "±", "delay (median), ms"],
    );
    for network in plan.choose(&NETWORKS, |network| network.name)? {
        let outcomes: Vec<Outcome> = systems
            .iter()
            .map(|system| Outcome {
                name: system.name(),
                heard: through(network, system.as_ref(), &talks, &scorer),
            })
            .collect();
        tell(network, &outcomes, &mut table, &mut report);
    }
    report.table(table);
    Ok(report)
}

/// Has everybody speak through a network and a system, and judges what is heard behind.
fn through(network: &Network, system: &dyn System, talks: &[Talk], scorer: &Scorer) -> Result<Heard> {
    let heard = listen(network, system, talks)?;
    let (mut pairs, mut delays_ms) = (Vec::new(), Vec::new());
    for (room, packets) in heard.iter().enumerate() {
        let talk = speaker(talks, room).context("somebody speaks")?;
        let begins_ms = START_MS + (LEAD + phase(room, TRACES)).as_secs_f64() * 1_000.0;
        let said = Recording::new(talk.audio.clone(), Clock::starting_at(begins_ms));
        let heard = play(packets)?.with_context(|| format!("{} is silent", system.name()))?;
        let delay = SpeechCheck::run(&said, &heard).delay();
        let lag_ms = delay.context("what is heard is not what was said")?.median_ms;
        let ends_ms = begins_ms + SPEECH.as_secs_f64() * 1_000.0;
        let aligned = heard.between(begins_ms + lag_ms, ends_ms + lag_ms);
        pairs.push(Pair::new(&said.audio, &aligned.audio));
        delays_ms.push(lag_ms);
    }
    Ok(Heard {
        scores: scorer.score(&pairs)?,
        delays_ms,
    })
}

/// What came at the far end of each room, by its number.
fn listen(network: &Network, system: &dyn System, talks: &[Talk]) -> Result<Vec<BTreeMap<u64, Came>>> {
    let ground = Ground::new(2)?;
    let running = system.start(TRACES, &ground.addresses()?)?;
    let count = u64::try_from(SPEECH.as_nanos() / FRAME.as_nanos())?;
    let start = Instant::now();
    let speakers = Speakers::new(network, TRACES, count, talks, start + LEAD);
    let mut ears = [Ear::new(start), Ear::new(start)];
    ground.run(&running.reach, &speakers, &mut ears, || {
        sleep(LEAD + SPEECH + ON_THE_WAY);
        Ok(())
    })?;
    let [_, far_end] = ears;
    Ok(far_end.rooms.into_iter().map(|(_, packets)| packets).collect())
}

/// Keeps what comes in each room.
struct Ear {
    start: Instant,
    rooms: Vec<(Numbers, BTreeMap<u64, Came>)>,
}

impl Ear {
    fn new(start: Instant) -> Self {
        Self {
            start,
            rooms: (0..TRACES).map(|_| Default::default()).collect(),
        }
    }
}

impl Listener for Ear {
    fn hear(&mut self, arrival: &Arrival<'_>) {
        let voice = arrival.voice;
        let Some((numbers, packets)) = self.rooms.get_mut(voice.room) else {
            return;
        };
        if !voice.opus.is_empty() {
            let since = arrival.at.saturating_duration_since(self.start);
            let came = || Came {
                at_ms: START_MS + since.as_secs_f64() * 1_000.0,
                opus: voice.opus.to_vec(),
            };
            packets.entry(numbers.extend(voice.sequence)).or_insert_with(came);
        }
    }
}

/// Puts what was found into the table, and what has a goal among the figures.
fn tell(network: &Network, outcomes: &[Outcome], table: &mut Table, report: &mut Report) {
    for Outcome { name, heard } in outcomes {
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => {
                report.failed(&format!("{}, {name}", network.name), &format!("{error:#}"));
                continue;
            }
        };
        let (pesq, stoi) = (heard.pesq(), heard.stoi());
        table.row([
            network.name.to_owned(),
            name.clone(),
            format!("{:.2}", pesq.0),
            format!("{:.2}", pesq.1),
            format!("{:.3}", stoi.0),
            format!("{:.3}", stoi.1),
            format!("{:.0}", heard.delay_ms()),
        ]);
    }
    let [ours, others @ ..] = outcomes else {
        return;
    };
    if network.name != OF_THE_GOAL {
        return;
    }
    for (other, prebuffering) in others.iter().zip([2, 6]) {
        let [pesq, delay] = ["pesq", "delay"].map(|what| format!("{what}_over_janus_{prebuffering}"));
        match (&ours.heard, &other.heard) {
            (Ok(ours), Ok(other)) => {
                report.figure(&pesq, ours.pesq().0 - other.pesq().0, "MOS");
                report.figure(&delay, ours.delay_ms() - other.delay_ms(), "ms");
            }
            (Err(error), _) | (_, Err(error)) => {
                for figure in [pesq, delay] {
                    report.failed(&figure, &format!("{error:#}"));
                }
            }
        }
    }
}

impl Heard {
    /// The mean of the scores by PESQ, and their spread.
    fn pesq(&self) -> (f64, f64) {
        spread(&self.scores.iter().map(|score| score.pesq).collect::<Vec<_>>())
    }

    /// The mean of the scores by STOI, and their spread.
    fn stoi(&self) -> (f64, f64) {
        spread(&self.scores.iter().map(|score| score.stoi).collect::<Vec<_>>())
    }

    /// The median of the delays.
    fn delay_ms(&self) -> f64 {
        median(self.delays_ms.iter().copied())
    }
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}
