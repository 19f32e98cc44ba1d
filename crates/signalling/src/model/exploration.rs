//! The world as the model checker walks through it: where it begins, what can happen next, what has to hold.

use stateright::{Model, Property};

use super::bridges::{Bridges, Shell};
use super::properties;
use super::room::Room;
use super::steps::Step;
use super::who::Who;
use super::world::World;

impl Model for World {
    type State = Bridges;
    type Action = Step;

    fn init_states(&self) -> Vec<Bridges> {
        let (asker, first) = self.asker(0);
        let mut state = Bridges {
            asker: Some(asker),
            answerer: self.answerer(0),
            asker_shell: Shell::default(),
            answerer_shell: Shell::default(),
            resuming: false,
            before: None,
            admitting: false,
            room: Room::default(),
            record: None,
            left: self.faults,
            over: None,
            epoch_fell: false,
            repeat_had_effect: false,
        };
        self.perform(&mut state, Who::Asker, first);
        vec![state]
    }

    fn actions(&self, state: &Bridges, steps: &mut Vec<Step>) {
        steps.extend(Step::under_way(state));
        steps.extend(Step::from_outside(state));
        if state.is_quiet() || state.left.early_timers > 0 {
            steps.extend(Step::waited_for(state));
            steps.extend(Step::giving_up(state));
        }
    }

    fn next_state(&self, before: &Bridges, step: Step) -> Option<Bridges> {
        let mut state = before.clone();
        self.advance(&mut state, &step);
        if state == *before {
            return None;
        }
        if step.is_waited_for() && !before.is_quiet() {
            state.left.early_timers -= 1;
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::invariants();
        properties.extend(properties::goals(self));
        properties
    }
}
