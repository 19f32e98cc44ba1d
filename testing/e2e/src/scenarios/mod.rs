//! The scenarios: what each proves, and how they are run.

mod bench;
mod both_sides;
mod call_kind;
mod call_members;
mod compose;
mod control_room;
mod dave_churn;
mod dave_frames;
mod dave_mixed;
mod dave_pair;
mod dave_required;
mod dev_page;
mod discord_bridge_killed;
mod element_call;
mod element_call_pair;
mod forged;
mod gateway_drops;
mod homeserver_restart;
mod late_start;
mod leftovers;
mod listening;
mod meeting;
mod mute_deaf;
mod mute_to_discord;
mod outcome;
mod page_to_page;
mod plain_peer;
mod process;
mod rejections;
mod relayed;
mod rtc_and_voip;
mod rtc_churn;
mod rtc_kill;
mod rtc_matrix_2_0;
mod rtc_page_to_page;
mod rtc_sfu_restart;
mod rtc_speech;
mod rtc_two_foci;
mod shown;
mod signalling;
mod silent_call;
mod speaking;
mod standin_page;
mod state_storm;
mod stretches;
mod table;
mod talk;
mod two_rooms;
mod udp_cut;
mod unbridged_mid_call;
mod voice_bridge_killed;
mod voice_server_moves;
mod voip_renegotiate;
mod voip_speech;
mod voip_three;
mod window;

use crate::docker::{Engine, MISSING as DOCKER_MISSING};
use crate::machine::{Stalls, Watch};
use crate::stack::{LIVEKIT_MISSING, LiveKit};
use anyhow::{Result, bail};
use bench::Bench;
use outcome::{Outcome, Tally};
use std::time::Instant;
use table::{NEEDS_DOCKER, NEEDS_LIVEKIT, SCENARIOS, Scenario};

/// How often a scenario is run at most where the machine does not let it finish undisturbed.
const ATTEMPTS: usize = 3;

/// Prints the scenarios, a line each.
pub fn list() {
    for scenario in SCENARIOS {
        print(&format!(
            "{:<22} {:<11} {}",
            scenario.name, scenario.area, scenario.about
        ));
    }
}

impl Scenario {
    /// What it needs and this machine has not.
    fn missing(&self) -> Option<&'static str> {
        match self.area {
            NEEDS_LIVEKIT => LiveKit::installed().is_none().then_some(LIVEKIT_MISSING),
            NEEDS_DOCKER => (!Engine::is_installed()).then_some(DOCKER_MISSING),
            _ => None,
        }
    }

    /// Runs it once, beside a watch on the machine.
    async fn attempt(&self, bench: &mut Bench) -> (Outcome, Stalls) {
        let (started, watch) = (Instant::now(), Watch::start());
        let outcome = self.outcome(bench).await;
        let stalls = watch.end();
        let seconds = started.elapsed().as_secs();
        print(&format!("{}: {outcome}, {seconds} s", self.name));
        if matches!(outcome, Outcome::Failed(_)) {
            print(&format!("      {stalls}"));
            bench.after_failure().await;
        }
        (outcome, stalls)
    }

    async fn outcome(&self, bench: &mut Bench) -> Outcome {
        if let Some(missing) = self.missing() {
            return Outcome::Skipped(missing);
        }
        match (self.run)(bench).await {
            Ok(()) => Outcome::of(bench.take_checks()),
            Err(error) => {
                print(&format!("{}: error: {error:#}", self.name));
                Outcome::Failed(bench.take_checks())
            }
        }
    }
}

/// Runs the named scenarios, or all, or with `quick` one an area. Fails if one of them does, or none can be run.
///
/// A scenario that fails on a machine that stood still meanwhile is run again, at most [`ATTEMPTS`] times in all, since the
/// sound had holes whatever the bridges did. The last outcome counts.
pub async fn run(names: &[String], quick: bool) -> Result<()> {
    let chosen = choose(names, quick)?;
    let mut bench = Bench::new()?;
    let mut tally = Tally::default();
    for scenario in chosen {
        print(&format!("{}: {}", scenario.name, scenario.about));
        let (mut outcome, mut stalls) = scenario.attempt(&mut bench).await;
        for _ in 1..ATTEMPTS {
            if !matches!(outcome, Outcome::Failed(_)) || !stalls.are_heard() {
                break;
            }
            print(&format!(
                "{}: what was heard proves nothing: {stalls}; again",
                scenario.name
            ));
            (outcome, stalls) = scenario.attempt(&mut bench).await;
        }
        tally.count(&outcome);
    }
    bench.finish(tally.failed > 0).await?;
    print(&tally.to_string());
    tally.verdict()
}

fn choose(names: &[String], quick: bool) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !SCENARIOS.iter().any(|scenario| scenario.name == **name))
    {
        bail!("there is no scenario {unknown}; cargo xtask e2e --list prints them");
    }
    let mut areas = Vec::new();
    let chosen = SCENARIOS.iter().filter(|scenario| {
        let first = !areas.contains(&scenario.area);
        areas.push(scenario.area);
        if names.is_empty() {
            first || !quick
        } else {
            names.iter().any(|name| name == scenario.name)
        }
    });
    Ok(chosen.collect())
}

/// Writes a line of the report to standard output.
#[expect(clippy::print_stdout, reason = "the report is what this program is run for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::choose;

    fn names(quick: bool, names: &[&str]) -> Vec<&'static str> {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        choose(&names, quick)
            .unwrap()
            .iter()
            .map(|scenario| scenario.name)
            .collect()
    }

    #[test]
    fn a_quick_run_takes_one_scenario_of_each_area() {
        assert_eq!(
            names(true, &[]),
            [
                "voip-speech",
                "rtc-page-to-page",
                "dave-libdave",
                "reject-not-bridged",
                "late-start",
                "kill-discord-bridge",
                "dev-page",
                "compose"
            ]
        );
    }

    #[test]
    fn an_unknown_name_is_refused_before_anything_starts() {
        assert_eq!(names(false, &["dev-page"]), ["dev-page"]);
        assert!(choose(&["voip-speach".to_owned()], false).is_err());
    }
}
