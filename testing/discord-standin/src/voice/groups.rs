//! Carries messages between the groups of all channels and their members, and keeps their time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    Calls, Voice,
    dave::{FromMember, Group, ToMember},
    sessions::close,
};
use crate::{
    control::types::DavePolicy,
    counters::Counters,
    gateway::sessions::ToClient,
    people::person::{Delivery, Person},
    snowflake::Snowflake,
};

/// What people hear waits for no longer than this.
const TICK: Duration = Duration::from_millis(20);

/// Wakes a thread that sleeps until something is due.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rings: Mutex<bool>,
    rung: Condvar,
}

impl Alarm {
    fn ring(&self) {
        *self.rings.lock() = true;
        self.rung.notify_one();
    }

    /// Sleeps until it rings; not at all if it has rung since the last time.
    fn sleep(&self, longest: Duration) {
        let mut rings = self.rings.lock();
        if !*rings {
            self.rung.wait_for(&mut rings, longest);
        }
        *rings = false;
    }
}

/// Tends groups and people until `stop` is set.
pub(crate) fn spawn(voice: Arc<Voice>, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("groups".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let due = voice.tend();
            voice.alarm.sleep(due);
        }
    })
}

impl Voice {
    /// A participant says something about his channel's group.
    pub(crate) fn group_message(&self, user: Snowflake, message: FromMember) {
        let mut calls = self.calls.lock();
        let Some(channel) = calls.members.get(&user).map(|member| member.channel) else {
            return;
        };
        self.with_group(&mut calls, channel, |group, now| group.handle(user, message, now));
    }

    /// Changes which clients a channel takes; those whom it does not take any more are closed.
    pub(crate) fn set_dave_policy(&self, channel: Snowflake, policy: DavePolicy) {
        let mut calls = self.calls.lock();
        self.with_group(&mut calls, channel, |group, now| group.set_policy(policy, now));
        let Calls { members, groups, .. } = &mut *calls;
        let Some(group) = groups.get(&channel) else {
            return;
        };
        let clients = members.values_mut().filter(|member| member.channel == channel);
        for client in clients.filter_map(|member| member.client.as_mut()) {
            if !group.admits(client.dave) {
                client.hand_over(ToClient::Close(close::DAVE_REQUIRED));
            }
        }
    }

    /// Lets something happen to a channel's group, and sends what comes of it.
    pub(super) fn with_group(&self, calls: &mut Calls, channel: Snowflake, f: impl FnOnce(&mut Group, u64)) {
        let Some(group) = calls.groups.get_mut(&channel) else {
            return;
        };
        f(group, self.clock.now_ns());
        for (user, message) in group.take_messages() {
            calls.tell(user, message);
        }
        self.alarm.ring();
    }

    /// Does what is due; returns how long nothing will be.
    fn tend(&self) -> Duration {
        let now = self.clock.now_ns();
        let mut calls = self.calls.lock();
        let due: Vec<_> = calls
            .groups
            .iter()
            .filter(|(_, group)| group.deadline_ns().is_some_and(|deadline| deadline <= now))
            .map(|(channel, _)| *channel)
            .collect();
        for channel in due {
            self.with_group(&mut calls, channel, Group::handle_time);
        }
        let waiting: Vec<_> = calls
            .people
            .iter()
            .filter(|(_, person)| person.has_mail())
            .map(|(user, person)| (*user, Arc::clone(person)))
            .collect();
        let next = calls.groups.values().filter_map(Group::deadline_ns).min();
        drop(calls);
        for (user, person) in waiting {
            self.attend(user, &person);
        }
        next.map_or(TICK, |next| TICK.min(Duration::from_nanos(next.saturating_sub(now))))
    }

    /// Lets a person take in what has reached him.
    pub(super) fn attend(&self, user: Snowflake, person: &Person) {
        person.catch_up(self.clock.now_ns(), |answer| self.group_message(user, answer));
    }
}

impl Calls {
    /// The person with this id, who is made if there is none.
    pub(super) fn person(&mut self, user: Snowflake, counters: &Arc<Counters>) -> Arc<Person> {
        let new = || Arc::new(Person::new(user, Arc::clone(counters)));
        Arc::clone(self.people.entry(user).or_insert_with(new))
    }

    /// Tells a participant something about his group.
    fn tell(&mut self, user: Snowflake, message: ToMember) {
        let Some(member) = self.members.get_mut(&user) else {
            return;
        };
        if let Some(client) = &mut member.client {
            client.tell(&message);
        } else if let Some(person) = self.people.get(&user) {
            person.deliver(Delivery::Group(message));
        }
    }
}
