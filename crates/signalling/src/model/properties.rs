//! What has to hold, and what has to be reached for that to mean something.

use stateright::Property;

use super::bridges::{Bridges, Cause};
use super::steps::Step;
use super::strangers;
use super::who::Who;
use super::world::World;

pub(super) const SAME_KEYS: &str = "the two ends of a channel have the same keys";
pub(super) const EPOCH: &str = "the epoch never falls";

/// More rounds of timers than it takes from any state until all is well.
const MOST_ROUNDS: usize = 12;

/// What holds in every state.
pub(super) fn invariants() -> Vec<Property<World>> {
    vec![
        Property::always(
            "at rest no channel is half open, and the record says so",
            |_, state: &Bridges| !state.is_at_rest() || state.is_open() || state.is_over(),
        ),
        Property::always(
            "left alone, what broke is open again, or closed if that was wanted",
            |world: &World, state: &Bridges| !state.is_quiet() || recovers(world, state),
        ),
        Property::always(SAME_KEYS, |_, state: &Bridges| {
            state.links().is_none_or(|(asker, answerer)| {
                asker.connection.channel != answerer.connection.channel || asker.transcript() == answerer.transcript()
            })
        }),
        Property::always(EPOCH, |_, state: &Bridges| !state.epoch_fell),
        Property::always("a repeated event has no effect", |_, state: &Bridges| {
            !state.repeat_had_effect
        }),
        Property::always("a stranger's event has no effect", strangers::have_no_effect),
    ]
}

/// What is reached, as far as these faults lead there.
pub(super) fn goals(world: &World) -> Vec<Property<World>> {
    let faults = &world.faults;
    let mut goals = vec![
        Property::sometimes("all faults at once are survived", |_, state: &Bridges| {
            is_open_again(state) && state.left.are_used_up()
        }),
        Property::sometimes("the answering side refuses", |_, state: &Bridges| {
            is_over_by(state, Cause::Refused)
        }),
    ];
    if faults.cuts > 0 {
        goals.push(Property::sometimes(
            "a channel that was cut is open again",
            |world: &World, state: &Bridges| is_open_again(state) && state.left.cuts < world.faults.cuts,
        ));
    }
    if faults.asker_crashes > 0 {
        goals.extend([
            Property::sometimes("a crash of the asking side is survived", |_, state: &Bridges| {
                is_open_again(state) && state.crashed() == (true, false)
            }),
            Property::sometimes("a call that a crash took along is closed", |_, state: &Bridges| {
                is_over_by(state, Cause::CallLost)
            }),
        ]);
    }
    if faults.answerer_crashes > 0 {
        goals.push(Property::sometimes(
            "a crash of the answering side is survived",
            |_, state: &Bridges| is_open_again(state) && state.crashed() == (false, true),
        ));
    }
    if faults.voice_losses > 0 {
        goals.push(Property::sometimes(
            "a voice channel that was lost is entered anew",
            |world: &World, state: &Bridges| {
                is_open_again(state) && state.left.voice_losses < world.faults.voice_losses
            },
        ));
    }
    if faults.ends > 0 {
        goals.extend([
            Property::sometimes("the asking side closes", |_, state: &Bridges| {
                is_over_by(state, Cause::Ended(Who::Asker))
            }),
            Property::sometimes("the answering side closes", |_, state: &Bridges| {
                is_over_by(state, Cause::Ended(Who::Answerer))
            }),
        ]);
    }
    goals
}

fn is_open_again(state: &Bridges) -> bool {
    state.is_at_rest() && state.is_open()
}

fn is_over_by(state: &Bridges, cause: Cause) -> bool {
    state.is_at_rest() && state.is_over() && state.over == Some(cause)
}

/// Whether all is well in the end, if nothing goes wrong from here on and nobody gives up.
fn recovers(world: &World, state: &Bridges) -> bool {
    let mut state = state.clone();
    for _ in 0..MOST_ROUNDS {
        if state.is_at_rest() {
            return state.is_open() || state.over.is_some();
        }
        if state.resuming {
            world.advance(&mut state, &Step::Resume);
        }
        for step in Step::waited_for(&state) {
            // An earlier one of this round may have made it void.
            if Step::waited_for(&state).contains(&step) {
                world.advance(&mut state, &step);
            }
            while let Some(step) = Step::under_way(&state).first() {
                world.advance(&mut state, step);
            }
        }
    }
    false
}
