//! Both machines over a hostile room, explored exhaustively by a model checker.
//!
//! The room loses and doubles events, and delivers them in any order. Bridges are killed, and know nothing afterwards but
//! the record in the room's state; links go dead; the voice channel is lost; either program may end the channel. How
//! much of that may happen is bounded, since without bounds nothing would ever come to rest. All of it at once would
//! take hours; so there are several sets of bounds, and within each every order of everything is explored.
//!
//! Time stands still. A timer that runs may fire once nothing is on its way, since waits are far longer than deliveries,
//! and as often as the bounds allow also earlier. Waits do not grow here, so that machines that differ only in how
//! often they have repeated themselves are the same: nothing else follows from that number.

mod bridges;
mod exploration;
mod properties;
mod room;
mod steps;
mod strangers;
mod who;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use self::bridges::{Bridges, Faults};
use self::properties::{EPOCH, SAME_KEYS};
use self::steps::Step;
use self::who::Who;
use self::world::World;
use crate::rules::Rule;

/// What a room does at the worst.
const ROOM: Faults = Faults {
    losses: 2,
    duplicates: 1,
    ..Faults::NONE
};

/// Both bridges are killed, and a link goes dead.
const CRASHES: Faults = Faults {
    asker_crashes: 1,
    answerer_crashes: 1,
    cuts: 1,
    ..ROOM
};

/// Somebody does not wait for what is on its way.
const EARLY_TIMERS: [Faults; 2] = [
    Faults {
        early_timers: 1,
        answerer_crashes: 0,
        ..CRASHES
    },
    Faults {
        early_timers: 1,
        asker_crashes: 0,
        ..CRASHES
    },
];

/// The answering side is thrown out of its voice channel, and not let in at once.
const VOICE_LOSSES: [Faults; 2] = [
    Faults {
        voice_losses: 1,
        hitches: 1,
        asker_crashes: 1,
        ..ROOM
    },
    Faults {
        voice_losses: 1,
        hitches: 1,
        answerer_crashes: 1,
        ..ROOM
    },
];

/// A program has enough.
const ENDS: [Faults; 2] = [
    Faults {
        ends: 1,
        losses: 1,
        cuts: 0,
        ..CRASHES
    },
    Faults {
        ends: 1,
        cuts: 1,
        early_timers: 1,
        ..ROOM
    },
];

/// Writes past the test harness, which keeps to itself what a test prints that passes.
fn report(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// Where both sides stand, and what happens next, line by line.
fn outline(path: Path<Bridges, Step>) -> String {
    let mut text = String::new();
    for (state, step) in path.into_vec() {
        let [asker, answerer] = Who::BOTH.map(|who| state.phase(who).name());
        let step = step.map(|step| step.to_string()).unwrap_or_default();
        writeln!(text, "    {asker:<9} {answerer:<9}  {step}").unwrap();
    }
    text
}

/// Explores all that can happen within the bounds, shows how much that was, and asserts that the properties are as they
/// should be.
fn holds(faults: Faults) {
    let checker = World::new(faults, None, strangers::all()).checker().spawn_dfs().join();
    let mut text = format!(
        "\nwithin {faults}: {} states explored, {} of them distinct, at most {} steps deep\n",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
    );
    let mut discoveries = checker.discoveries();
    let mut fine = true;
    for property in checker.model().properties() {
        let path = discoveries.remove(property.name);
        let (verdict, counterexample) = match (&property.expectation, path) {
            (Expectation::Sometimes, Some(_)) => ("reached", None),
            (_, None) if property.expectation != Expectation::Sometimes => ("holds", None),
            (_, path) => ("FAILS", Some(path)),
        };
        writeln!(text, "  {verdict}: {}", property.name).unwrap();
        fine &= counterexample.is_none();
        text.extend(counterexample.flatten().map(outline));
    }
    report(&text);
    assert!(fine, "a property fails:\n{text}");
}

/// Asserts that machines that break this rule violate that property, and shows how.
fn is_missed(rule: Rule, property: &'static str) {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = World::new(CRASHES, Some(rule), strangers::all())
        .checker()
        .finish_when(found)
        .spawn_bfs()
        .join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("`{property}` holds without the rule {rule:?} too"));
    report(&format!(
        "\nwithout the rule {rule:?} this fails: {property}\n{}",
        outline(path)
    ));
}

#[test]
fn s10_the_channel_survives_crashes_and_a_cut() {
    holds(CRASHES);
}

#[test]
fn the_channel_survives_early_timers() {
    EARLY_TIMERS.into_iter().for_each(holds);
}

#[test]
fn s10_the_channel_survives_the_loss_of_the_voice_channel() {
    VOICE_LOSSES.into_iter().for_each(holds);
}

#[test]
fn the_channel_ends_at_both_sides() {
    ENDS.into_iter().for_each(holds);
}

#[test]
fn an_accept_of_another_offer_would_be_caught() {
    is_missed(Rule::AcceptOfTheOffer, SAME_KEYS);
}

#[test]
fn an_offer_of_an_epoch_that_is_known_would_be_caught() {
    is_missed(Rule::OfferAboveKnownEpoch, EPOCH);
}
