//! Both bridges in turn are flooded while people talk.

use super::figures::{CpuMeter, Dropped, channel_id, overrun, record};
use super::flood::{Flood, Sent};
use super::forgery::{Forger, REASONS};
use crate::audio::{Delay, Recording, SpeechCheck, Voice, VoiceAway, unix_ms};
use crate::scenarios::bench::{Bench, note};
use crate::scenarios::listening::said_from;
use crate::scenarios::talk::{NONE, Talk, Way};
use crate::stack::{Bridge, Stack};
use anyhow::{Result, bail};
use discord_standin::frames_of;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;
use tokio::time::sleep;

/// Forged datagrams a second, all at one bridge.
const RATE: u64 = 100_000;
/// What of that must really be sent: the sender shares two cores with all else.
const LEAST_RATE: f64 = 60_000.0;
/// How long there is no flood, then one, then none again, and so on.
const LASTING: Duration = Duration::from_secs(10);
/// What a flooded bridge may use of a core.
const MOST_CPU: f64 = 100.0;
/// How much later voice may be heard in a flood than before or after it, by the median. Two of Discord's ticks, since one more
/// or less is chance, and as much for the jitter buffer of a browser that shares two cores with the sender of the flood.
const MOST_ADDED_MS: f64 = 80.0;
/// How much of what is heard must be what was said, as in `SPEECH_CHECK`. Its percentile is not asked for here: the sender
/// of the flood takes the time of two cores from the browser too.
const LEAST_MEDIAN: f64 = 0.9;
/// Of the peer's own datagrams so many may be lost with the forged ones.
const MOST_LOST: u64 = 25;

/// A stretch of the call, in which one bridge was flooded or none.
struct Stretch {
    from: f64,
    to: f64,
    /// Percent of a core that the voice bridge and the Discord bridge used.
    cpu: [f64; 2],
}

/// A flood of one bridge.
struct Siege<'a> {
    bridge: &'a Bridge,
    peer: &'a Bridge,
    /// Place of the bridge's figure in [`Stretch::cpu`].
    place: usize,
    stretch: Stretch,
    sent: Sent,
    dropped: Dropped,
    overrun: u64,
    /// What the flood would have said, had anybody listened.
    stranger: Recording,
}

pub(super) async fn run(bench: &mut Bench, talk: &mut Talk) -> Result<()> {
    let stack = bench.stack().await?;
    let before = record(&stack, &talk.room.id).await?;
    let channel = channel_id(&before)?;
    let mut quiet = vec![Stretch::measured(&stack, sleep(LASTING)).await?.0];
    let mut sieges = Vec::new();
    for place in [0, 1] {
        sieges.push(Siege::lay(bench, &stack, place, (&talk.room.id, channel)).await?);
        quiet.push(Stretch::measured(&stack, sleep(LASTING)).await?.0);
    }
    for (siege, quiet) in sieges.iter().zip(quiet.windows(2)) {
        siege.account_checks(bench);
        siege.cpu_check(bench, quiet);
    }
    for way in talk.so_far().await? {
        for (siege, quiet) in sieges.iter().zip(quiet.windows(2)) {
            siege.voice_checks(bench, &way, quiet);
        }
    }
    let now = record(&stack, &talk.room.id).await?;
    bench.check(
        "no flood breaks the channel",
        now == before,
        format!("epoch {} before, {} now", before["epoch"], now["epoch"]),
    );
    Ok(())
}

impl Stretch {
    /// Measures while something goes on.
    async fn measured<T>(stack: &Stack, what: impl Future<Output = T>) -> Result<(Self, T)> {
        let meters = [
            CpuMeter::start(&stack.voice_bridge)?,
            CpuMeter::start(&stack.discord_bridge)?,
        ];
        let from = unix_ms();
        let outcome = what.await;
        let to = unix_ms();
        let cpu = [meters[0].percent()?, meters[1].percent()?];
        Ok((Self { from, to, cpu }, outcome))
    }

    /// How the voice of this time arrived.
    fn check(&self, way: &Way) -> SpeechCheck {
        SpeechCheck::run(&way.said.between(self.from, self.to), &way.heard)
    }
}

impl<'a> Siege<'a> {
    async fn lay(bench: &Bench, stack: &'a Stack, place: usize, (room, channel): (&str, u64)) -> Result<Self> {
        let bridges = [&stack.voice_bridge, &stack.discord_bridge];
        let (bridge, peer) = (bridges[place], bridges[1 - place]);
        let file = bench.speech.file(Voice::Bob, LASTING)?;
        let forger = Forger::new(room, channel, frames_of(&file)?);
        let flood = Flood {
            rate: RATE,
            lasting: LASTING,
            target: v4(bridge)?,
            peer: v4(peer)?,
        };
        let (dropped, lost) = (Dropped::by(bridge).await?, overrun(bridge)?);
        let (stretch, sent) = Stretch::measured(stack, flood.run(forger)).await?;
        Ok(Self {
            bridge,
            peer,
            place,
            sent: sent?,
            dropped: Dropped::by_at_rest(bridge).await?.since(&dropped),
            overrun: overrun(bridge)? - lost,
            stranger: said_from(&file, stretch.from)?,
            stretch,
        })
    }

    /// What became of the forged datagrams.
    fn account_checks(&self, bench: &mut Bench) {
        let (bridge, sent) = (self.bridge.name(), &self.sent);
        bench.check(
            &format!("{bridge} is flooded"),
            sent.rate() >= LEAST_RATE && sent.spoofed > 0,
            format!(
                "{:.0} datagrams a second for {:.1} s, {} of {} under the address of {}",
                sent.rate(),
                sent.took.as_secs_f64(),
                sent.spoofed,
                sent.total(),
                self.peer.name()
            ),
        );
        let fits = |(reason, sent): (&&str, &u64)| (1..=*sent).contains(&self.dropped.of(reason));
        let all = REASONS.iter().zip(&sent.forms).all(fits);
        let own = REASONS.iter().map(|reason| self.dropped.of(reason)).sum::<u64>() == self.dropped.total();
        bench.check(
            &format!("{bridge} drops what strangers send, each for its reason"),
            all && own,
            format!("{} of {:?} sent", self.dropped, sent.forms),
        );
        // What neither was dropped here nor lost in the system's queue was taken for the peer's.
        let accounted = self.dropped.total() + self.overrun;
        let of_peer = accounted.checked_sub(sent.total());
        bench.check(
            &format!("{bridge} takes none of it, and loses little of its peer's"),
            of_peer.is_some_and(|lost| lost <= MOST_LOST),
            format!(
                "{} dropped and {} lost in the queue of {} sent, {} of the peer's among them",
                self.dropped.total(),
                self.overrun,
                sent.total(),
                of_peer.map_or("none".to_owned(), |lost| lost.to_string()),
            ),
        );
    }

    /// What the flood cost, beside the time before and after it.
    fn cpu_check(&self, bench: &mut Bench, quiet: &[Stretch]) {
        let name = self.bridge.name();
        let of = |stretch: &Stretch| stretch.cpu[self.place];
        bench.check(
            &format!("CPU of {name} while it is flooded"),
            of(&self.stretch) <= MOST_CPU,
            format!(
                "{:.1} % of a core ({})",
                of(&self.stretch),
                quiet
                    .iter()
                    .map(|stretch| format!("{:.1} %", of(stretch)))
                    .collect::<Vec<_>>()
                    .join(" before, ")
                    + " after"
            ),
        );
        let other = |stretch: &Stretch| stretch.cpu[1 - self.place];
        note(
            &format!("CPU of {} meanwhile", self.peer.name()),
            format!("{:.1} %", other(&self.stretch)),
        );
    }

    /// What people heard during the flood, beside the time before and after it.
    fn voice_checks(&self, bench: &mut Bench, way: &Way, quiet: &[Stretch]) {
        let case = format!("{} while {} is flooded", way.direction, self.bridge.name());
        let during = self.stretch.check(way);
        let calm = quiet
            .iter()
            .filter_map(|stretch| Some(stretch.check(way).delay()?.median_ms));
        let calm = calm.collect::<Vec<_>>();
        // The browser's jitter buffer shrinks over a call, so that either neighbour may be the better measure.
        let added = |delay: Delay| delay.median_ms - calm.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let figures = calm.iter().map(|median| format!("{median:.0} ms")).collect::<Vec<_>>();
        bench.check(
            &format!("delay {case}"),
            calm.len() == quiet.len() && during.delay().is_some_and(|delay| added(delay) <= MOST_ADDED_MS),
            format!(
                "{}; medians before and after: {}",
                during.delay().map_or("unknown".to_owned(), |delay| delay.to_string()),
                figures.join(", ")
            ),
        );
        bench.check(
            &format!("the peer's voice {case}"),
            during.median() >= LEAST_MEDIAN,
            &during,
        );
        let Stretch { from, to, .. } = self.stretch;
        let away = VoiceAway::run(&way.said.between(from, to), &way.heard);
        bench.check(
            &format!("voice away {case}"),
            away.windows() > 0 && away.longest() <= NONE,
            format!("{away} ({} windows of speech)", away.windows()),
        );
        let foreign = SpeechCheck::run(&self.stranger, &way.heard.between(from, to));
        bench.check(
            &format!("nothing of the stranger's voice {case}"),
            foreign.is_unrelated(),
            format!("median {:.2}", foreign.median()),
        );
    }
}

fn v4(bridge: &Bridge) -> Result<SocketAddrV4> {
    match bridge.vdp {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => bail!("{} listens at an IPv6 address", bridge.name()),
    }
}
