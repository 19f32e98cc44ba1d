//! Speaking rings on the screens of Element Call.

use crate::browser::{Browser, ElementCallPage};
use crate::scenarios::bench::Bench;
use anyhow::Result;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a ring may take to be lit, and to go out: LiveKit looks twice in a second, and forgets a voice slowly.
const CHANGED_WITHIN: Duration = Duration::from_secs(3);
/// The least share of a turn in which the ring is lit. Whoever talks makes pauses between sentences.
const LEAST_LIT: f64 = 0.7;
/// How often the screens are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What was seen of all rings on both screens, look by look.
pub(super) struct Rings(Vec<[ElementCallPage; 2]>);

/// How often one ring was lit on one screen.
struct Ring {
    lit: usize,
    looks: usize,
}

impl Rings {
    /// Looks at both screens for some time.
    pub(super) async fn watch(screens: &mut [Browser; 2], length: Duration) -> Result<Self> {
        let started = Instant::now();
        let mut looks = Vec::new();
        while started.elapsed() < length {
            let [first, second] = screens;
            looks.push([first.element_call_state().await?, second.element_call_state().await?]);
            sleep(LOOK).await;
        }
        Ok(Self(looks))
    }

    /// This one's ring was lit most of the time, on each of these screens.
    pub(super) fn lit_check<const N: usize>(&self, bench: &mut Bench, what: &str, screens: [usize; N], who: &str) {
        let rings = screens.map(|screen| self.of(screen, who));
        let is_lit = rings.iter().all(|ring| ring.share() >= LEAST_LIT);
        bench.check(&format!("{what} is lit"), is_lit, shown(&rings));
    }

    /// This one's ring was dark all the time, on both screens.
    pub(super) fn dark_check(&self, bench: &mut Bench, what: &str, who: &str) {
        let rings = [0, 1].map(|screen| self.of(screen, who));
        let is_dark = rings.iter().all(|ring| ring.lit == 0 && ring.looks > 0);
        bench.check(&format!("{what} is dark"), is_dark, shown(&rings));
    }

    fn of(&self, screen: usize, who: &str) -> Ring {
        let pages = self.0.iter().filter_map(|look| look.get(screen));
        let seen = pages.filter_map(|page| page.rings(who));
        seen.fold(Ring { lit: 0, looks: 0 }, |ring, is_lit| Ring {
            lit: ring.lit + usize::from(is_lit),
            looks: ring.looks + 1,
        })
    }
}

impl Ring {
    #[expect(clippy::cast_precision_loss, reason = "there are some hundred looks")]
    fn share(&self) -> f64 {
        self.lit as f64 / self.looks.max(1) as f64
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lit in {:.0} % of {} looks", self.share() * 100.0, self.looks)
    }
}

fn shown(rings: &[Ring]) -> String {
    let rings: Vec<_> = rings.iter().map(Ring::to_string).collect();
    rings.join(", on the other screen ")
}

/// Waits until a ring is lit, or has gone out, and says after how long.
pub(super) async fn changes(bench: &mut Bench, screen: &mut Browser, who: &str, lit: bool) -> Result<()> {
    let started = Instant::now();
    let (state, is_so) = if lit {
        ("lit", Some(true))
    } else {
        ("dark", Some(false))
    };
    let what = format!("the ring of {who} to be {state}");
    let changed = |page: &ElementCallPage| page.rings(who) == is_so;
    let seen = screen.element_call_until(&what, CHANGED_WITHIN, changed).await;
    let figure = seen.as_ref().map_or_else(ToString::to_string, |_| {
        format!("after {:.1} s", started.elapsed().as_secs_f64())
    });
    bench.check(&what, seen.is_ok(), figure);
    Ok(())
}
