//! The exchange that moves a group from epoch to epoch: key packages, proposals, commits, transitions.

use std::sync::Arc;

use super::{
    commit::{self, Welcome},
    group::Group,
    message::{Proposals, ToMember},
    mls::{Mls, Presence, Unfit},
    sender::ValidPackage,
};
use crate::snowflake::Snowflake;

/// Changes that come this close together are proposed together.
const BATCH_NS: u64 = 10_000_000;

impl Group {
    /// Op 26. Another package is another presence: what the one before was proposed for, or led to, ends.
    pub(super) fn key_package(&mut self, user: Snowflake, bytes: &[u8], now_ns: u64) {
        match self.proposer.validate(user, bytes) {
            Ok(package) => {
                self.counters.count("dave_key_packages");
                self.begin_anew(user, Some(package), now_ns);
            }
            Err(error) => {
                tracing::debug!(%user, %error, "a key package is refused");
                self.counters.count("dave_key_packages_refused");
            }
        }
    }

    /// Op 31: somebody cannot follow his group. He is removed, and added again with the key package that follows.
    pub(super) fn recover(&mut self, user: Snowflake, now_ns: u64) {
        self.counters.count("dave_recoveries");
        self.begin_anew(user, None, now_ns);
    }

    fn begin_anew(&mut self, user: Snowflake, package: Option<ValidPackage>, now_ns: u64) {
        let presence = self.fresh_presence();
        if let Some(participant) = self.participants.get_mut(&user) {
            participant.presence = presence;
            participant.package = package;
        }
        self.no_longer_wait_for(user, now_ns);
        self.propose_soon(now_ns);
    }

    /// Op 23.
    pub(super) fn ready(&mut self, user: Snowflake, id: u16, now_ns: u64) {
        let pending = self.transition.as_mut().filter(|pending| pending.id == id);
        match pending.map(|pending| (pending.ready(user), pending.is_prepared())) {
            Some((true, true)) => self.execute_transition(now_ns),
            Some((true, false)) => {}
            Some((false, _)) | None => self.counters.count("dave_ready_unexpected"),
        }
    }

    /// Op 28. The first valid commit of an epoch wins.
    pub(super) fn commit(&mut self, user: Snowflake, bytes: &[u8], now_ns: u64) {
        let outcome = self.accept(user, bytes, now_ns);
        self.counters.count(match outcome {
            Ok(()) => "dave_commits",
            Err(Unfit::Outdated) => "dave_commits_outdated",
            Err(Unfit::Invalid) => "dave_commits_invalid",
        });
    }

    fn accept(&mut self, user: Snowflake, bytes: &[u8], now_ns: u64) -> Result<(), Unfit> {
        let (commit, message, rest) = commit::read(bytes).map_err(|error| {
            tracing::debug!(%user, %error, "a commit is refused");
            Unfit::Invalid
        })?;
        if commit.group_id != self.channel.0.to_be_bytes() {
            return Err(Unfit::Invalid);
        }
        let sender = self.presence(user).ok_or(Unfit::Invalid)?;
        let package = self.participants.get(&user).and_then(|other| other.package.as_ref());
        let known_key = package.map(|package| package.signature_key.as_slice());
        let judged = self.mls.judge(sender, known_key, &commit)?;

        let mut welcomes = Vec::new();
        if judged.added().next().is_some() {
            let welcome = Welcome::read(rest).map_err(|_| Unfit::Invalid)?;
            for (presence, package) in judged.added() {
                welcomes.push((presence, welcome.only_for(&package.reference).ok_or(Unfit::Invalid)?));
            }
        } else if !rest.is_empty() {
            return Err(Unfit::Invalid);
        }

        let others = self
            .mls
            .members()
            .filter(|other| *other != sender && self.is_present(*other));
        let announced: Vec<_> = others.chain([sender]).collect();
        self.mls.apply(judged);
        let announced = announced
            .into_iter()
            .filter(|other| self.mls.contains(*other))
            .collect();
        welcomes.retain(|(presence, _)| self.is_present(*presence));
        self.announce(announced, &Arc::from(message), welcomes, now_ns);
        Ok(())
    }

    /// Tells members of a commit and newcomers of their group, and waits until all can follow.
    fn announce(
        &mut self,
        members: Vec<Presence>,
        commit: &Arc<[u8]>,
        welcomes: Vec<(Presence, Vec<u8>)>,
        now_ns: u64,
    ) {
        let newcomers = welcomes.iter().map(|(presence, _)| presence);
        let everyone: Vec<_> = members.iter().chain(newcomers).map(|other| other.user).collect();
        for user in &everyone {
            if let Some(participant) = self.participants.get_mut(user) {
                participant.package = None;
            }
        }
        let transition = self.begin_transition(self.version, everyone.into_iter().collect(), now_ns);
        for member in members {
            let commit = Arc::clone(commit);
            self.tell(member.user, ToMember::AnnounceCommit { transition, commit });
        }
        for (newcomer, welcome) in welcomes {
            self.counters.count("dave_welcomes");
            self.tell(newcomer.user, ToMember::Welcome { transition, welcome });
        }
    }

    pub(super) fn propose_soon(&mut self, now_ns: u64) {
        if self.version > 0 {
            self.proposals_due_ns.get_or_insert(now_ns + BATCH_NS);
        }
    }

    /// Proposes what leads from the group as it is to the participants as they are.
    pub(super) fn propose(&mut self) {
        if !self.mls.members().any(|member| self.is_present(member)) && self.mls.is_established() {
            // Nobody is left who could commit: those who wait make a group of their own.
            self.mls = Mls::default();
        }
        let present: Vec<_> = self
            .participants
            .keys()
            .filter_map(|user| self.presence(*user))
            .collect();
        let revoked = self.mls.revoke(|presence| present.contains(&presence));
        let before = self.mls.proposals();
        self.propose_removals(&present);
        self.propose_additions(&present);
        for to in present {
            if self.mls.is_established() && !self.mls.contains(to) {
                continue;
            }
            let known = revoked.iter().filter(|(about, _)| *about != to.user);
            let revoked = Proposals::revoke(known.map(|(_, reference)| reference.as_slice()));
            let appended = Proposals::append(self.mls.proposals_for(to, before));
            self.tell_proposals(to.user, revoked);
            self.tell_proposals(to.user, appended);
        }
    }

    fn propose_removals(&mut self, present: &[Presence]) {
        for leaf in self.mls.deserted(|presence| present.contains(&presence)) {
            let message = self.proposer.remove(self.channel, self.mls.epoch(), leaf);
            if let Some(message) = message {
                self.counters.count("dave_proposals_remove");
                self.mls.propose_remove(leaf, message);
            }
        }
    }

    fn propose_additions(&mut self, present: &[Presence]) {
        for presence in present {
            if self.mls.contains(*presence) || self.mls.is_proposed(*presence) {
                continue;
            }
            let participant = self.participants.get(&presence.user);
            let Some(package) = participant.and_then(|other| other.package.clone()) else {
                continue;
            };
            if let Some(message) = self.proposer.add(self.channel, self.mls.epoch(), &package) {
                self.counters.count("dave_proposals_add");
                self.mls.propose_add(*presence, package, message);
            }
        }
    }

    fn is_present(&self, presence: Presence) -> bool {
        self.presence(presence.user) == Some(presence)
    }
}
