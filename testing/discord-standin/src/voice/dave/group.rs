//! Who takes part in a channel's encryption, and which protocol version they speak.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    VERSION,
    message::{FromMember, Proposals, ToMember},
    mls::{Mls, Presence},
    sender::{Proposer, ValidPackage},
    transition::Transition,
};
use crate::{
    control::types::{Call, DavePolicy, PendingTransition},
    counters::Counters,
    snowflake::Snowflake,
};

/// The epoch that announces a new group.
const NEW_GROUP: u64 = 1;
/// The transition that is executed as it is announced.
const AT_ONCE: u16 = 0;

/// Whoever is connected to the channel.
#[derive(Debug)]
pub(super) struct Participant {
    /// Number of his present [`Presence`].
    pub(super) presence: u64,
    /// The highest version that he speaks.
    supports: u16,
    /// Sent by him and not used up.
    pub(super) package: Option<ValidPackage>,
}

/// The encryption of one voice channel.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) channel: Snowflake,
    policy: DavePolicy,
    pub(super) proposer: Arc<Proposer>,
    pub(super) counters: Arc<Counters>,
    /// The version that was chosen, which those who join are told.
    pub(super) version: u16,
    /// The version that members speak; not `version` until a transition to that is executed.
    version_in_use: u16,
    pub(super) participants: BTreeMap<Snowflake, Participant>,
    last_presence: u64,
    pub(super) mls: Mls,
    /// When changes are to be proposed.
    pub(super) proposals_due_ns: Option<u64>,
    pub(super) transition: Option<Transition>,
    last_transition: u16,
    messages: Vec<(Snowflake, ToMember)>,
}

impl Group {
    /// A call that nobody has joined.
    pub(crate) fn new(
        channel: Snowflake,
        policy: DavePolicy,
        proposer: Arc<Proposer>,
        counters: Arc<Counters>,
    ) -> Self {
        let version = if policy == DavePolicy::Off { 0 } else { VERSION };
        Self {
            channel,
            policy,
            proposer,
            counters,
            version,
            version_in_use: version,
            participants: BTreeMap::new(),
            last_presence: 0,
            mls: Mls::default(),
            proposals_due_ns: None,
            transition: None,
            last_transition: AT_ONCE,
            messages: Vec::new(),
        }
    }

    /// Whether somebody who speaks no version above `supports` may take part.
    pub(crate) fn admits(&self, supports: u16) -> bool {
        self.policy != DavePolicy::Required || supports > 0
    }

    /// The version that somebody who joins is told.
    pub(crate) fn version_for(&self, supports: u16) -> u16 {
        let others = self.participants.values().map(|other| other.supports);
        self.choose(others.chain([supports]))
    }

    /// The version that members speak now.
    pub(crate) const fn version_in_use(&self) -> u16 {
        self.version_in_use
    }

    /// Whether an encrypted frame means anything to a participant.
    pub(crate) fn understands(&self, user: Snowflake) -> bool {
        self.participants.get(&user).is_some_and(|other| other.supports > 0)
    }

    /// Messages for members, in the order in which they have to be sent.
    pub(crate) fn take_messages(&mut self) -> Vec<(Snowflake, ToMember)> {
        std::mem::take(&mut self.messages)
    }

    /// When [`Self::handle_time`] has something to do.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        match &self.transition {
            Some(transition) => Some(transition.deadline_ns),
            None => self.proposals_due_ns,
        }
    }

    /// Does what is due.
    pub(crate) fn handle_time(&mut self, now_ns: u64) {
        if self
            .transition
            .as_ref()
            .is_some_and(|pending| pending.deadline_ns <= now_ns)
        {
            self.counters.count("dave_transition_timeouts");
            self.execute_transition(now_ns);
        }
        if self.transition.is_none() && self.proposals_due_ns.is_some_and(|due| due <= now_ns) {
            self.proposals_due_ns = None;
            self.propose();
        }
    }

    /// Somebody is connected. He has been told [`Self::version_for`] and who else is there.
    pub(crate) fn join(&mut self, user: Snowflake, supports: u16, now_ns: u64) {
        self.part(user, now_ns);
        let participant = Participant {
            presence: self.fresh_presence(),
            supports,
            package: None,
        };
        self.participants.insert(user, participant);
        self.settle_version(Some(user), now_ns);
        if self.version == 0 {
            return;
        }
        self.introduce_gateway(user);
        if let (false, Some(presence)) = (self.mls.is_established(), self.presence(user)) {
            let in_flight = Proposals::append(self.mls.proposals_for(presence, 0));
            self.tell_proposals(user, in_flight);
        }
        // What a former presence of his left behind has to be put in order even if he never sends a key package.
        self.propose_soon(now_ns);
    }

    /// Somebody is gone.
    pub(crate) fn leave(&mut self, user: Snowflake, now_ns: u64) {
        self.part(user, now_ns);
        self.settle_version(None, now_ns);
        if !self.settle_sole_member() {
            self.propose_soon(now_ns);
        }
    }

    /// The channel's policy changes. Whoever it does not admit has to be disconnected by the caller.
    pub(crate) fn set_policy(&mut self, policy: DavePolicy, now_ns: u64) {
        self.policy = policy;
        self.settle_version(None, now_ns);
    }

    /// A participant says something.
    pub(crate) fn handle(&mut self, user: Snowflake, message: FromMember, now_ns: u64) {
        match message {
            _ if !self.participants.contains_key(&user) => self.counters.count("dave_unexpected"),
            FromMember::Ready { transition } => self.ready(user, transition, now_ns),
            _ if self.version == 0 => self.counters.count("dave_unexpected"),
            FromMember::KeyPackage(package) => self.key_package(user, &package, now_ns),
            FromMember::CommitWelcome(bytes) => self.commit(user, &bytes, now_ns),
            FromMember::Invalid { .. } => self.recover(user, now_ns),
        }
    }

    /// What the control interface shows.
    pub(crate) fn view(&self) -> Call {
        let (members, pending): (Vec<_>, Vec<_>) = self.participants.keys().partition(|user| self.is_member(**user));
        let names = |users: Vec<&Snowflake>| users.into_iter().map(Snowflake::to_string).collect();
        Call {
            protocol_version: self.version_in_use,
            epoch: self.mls.epoch(),
            members: names(members),
            pending: names(pending),
            transition: self.transition.as_ref().map(|transition| PendingTransition {
                id: transition.id,
                protocol_version: transition.version,
                waiting_for: names(transition.waiting().iter().collect()),
            }),
        }
    }

    fn choose(&self, mut supported: impl Iterator<Item = u16>) -> u16 {
        match self.policy {
            DavePolicy::Required => VERSION,
            DavePolicy::Optional if supported.all(|version| version > 0) => VERSION,
            DavePolicy::Off | DavePolicy::Optional => 0,
        }
    }

    /// Moves the call to the version that suits those who are there; `newcomer` knows of it.
    fn settle_version(&mut self, newcomer: Option<Snowflake>, now_ns: u64) {
        let chosen = self.choose(self.participants.values().map(|other| other.supports));
        if chosen == self.version {
            return;
        }
        self.execute_transition(now_ns);
        self.version = chosen;
        self.mls = Mls::default();
        self.proposals_due_ns = None;
        for participant in self.participants.values_mut() {
            participant.package = None;
        }
        let others: BTreeSet<_> = self
            .participants
            .iter()
            .filter(|(user, other)| Some(**user) != newcomer && other.supports > 0)
            .map(|(user, _)| *user)
            .collect();
        if chosen == 0 {
            self.downgrade(others, now_ns);
        } else {
            self.upgrade(&others);
        }
    }

    /// Encryption ends as soon as all who speak it can do without.
    fn downgrade(&mut self, others: BTreeSet<Snowflake>, now_ns: u64) {
        self.counters.count("dave_downgrades");
        if others.is_empty() {
            self.version_in_use = 0;
            return;
        }
        let id = self.begin_transition(0, others.clone(), now_ns);
        for user in others {
            self.tell(user, ToMember::PrepareTransition { id, version: 0 });
        }
    }

    /// A group is made; the commit that establishes it leads to the new version.
    fn upgrade(&mut self, others: &BTreeSet<Snowflake>) {
        self.counters.count("dave_upgrades");
        for user in others {
            self.tell_new_group(*user);
            self.introduce_gateway(*user);
        }
        self.settle_sole_member();
    }

    /// Whoever is left alone gives up his group, so that nobody owns one. True when something was to be done.
    fn settle_sole_member(&mut self) -> bool {
        let mut everyone = self.participants.keys().copied();
        let (Some(user), None) = (everyone.next(), everyone.next()) else {
            return false;
        };
        let (member, version) = (self.is_member(user), self.version);
        if version == 0 || !member && self.version_in_use == version {
            return false;
        }
        self.transition = None;
        self.version_in_use = version;
        if member {
            self.counters.count("dave_sole_member_resets");
            self.mls = Mls::default();
            self.tell_new_group(user);
        }
        self.tell(user, ToMember::PrepareTransition { id: AT_ONCE, version });
        true
    }

    /// Takes somebody out, and out of what waits for him.
    fn part(&mut self, user: Snowflake, now_ns: u64) {
        self.participants.remove(&user);
        self.no_longer_wait_for(user, now_ns);
    }

    pub(super) fn no_longer_wait_for(&mut self, user: Snowflake, now_ns: u64) {
        if let Some(transition) = &mut self.transition {
            transition.forget(user);
            if transition.is_prepared() {
                self.execute_transition(now_ns);
            }
        }
    }

    /// Begins a transition; the caller tells its members.
    pub(super) fn begin_transition(&mut self, version: u16, members: BTreeSet<Snowflake>, now_ns: u64) -> u16 {
        self.last_transition = self.last_transition.checked_add(1).unwrap_or(AT_ONCE + 1);
        self.transition = Some(Transition::new(self.last_transition, version, members, now_ns));
        self.last_transition
    }

    /// Lets the pending transition, if there is one, take effect.
    pub(super) fn execute_transition(&mut self, now_ns: u64) {
        let Some(transition) = self.transition.take() else {
            return;
        };
        self.counters.count("dave_transitions");
        self.version_in_use = transition.version;
        for user in transition.members() {
            self.tell(*user, ToMember::ExecuteTransition { id: transition.id });
        }
        self.propose_soon(now_ns);
    }

    pub(super) const fn fresh_presence(&mut self) -> u64 {
        self.last_presence += 1;
        self.last_presence
    }

    pub(super) fn presence(&self, user: Snowflake) -> Option<Presence> {
        let participant = self.participants.get(&user)?;
        Some(Presence {
            user,
            number: participant.presence,
        })
    }

    pub(super) fn is_member(&self, user: Snowflake) -> bool {
        self.presence(user).is_some_and(|presence| self.mls.contains(presence))
    }

    fn introduce_gateway(&mut self, user: Snowflake) {
        let package = Arc::from(self.proposer.package());
        self.tell(user, ToMember::ExternalSender(package));
    }

    fn tell_new_group(&mut self, user: Snowflake) {
        let version = self.version;
        self.tell(
            user,
            ToMember::PrepareEpoch {
                version,
                epoch: NEW_GROUP,
            },
        );
    }

    pub(super) fn tell_proposals(&mut self, user: Snowflake, proposals: Option<Proposals>) {
        if let Some(proposals) = proposals {
            self.tell(user, ToMember::Proposals(proposals));
        }
    }

    pub(super) fn tell(&mut self, user: Snowflake, message: ToMember) {
        self.messages.push((user, message));
    }
}
