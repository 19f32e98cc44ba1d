//! What the delivery service knows of a channel's MLS group: its epoch, who sits on which leaf, what is proposed.

use super::{
    commit::Commit,
    sender::{ProposalMessage, ValidPackage},
};
use crate::snowflake::Snowflake;

/// One presence of a user in a group. A user who comes back, or sends another key package, is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) user: Snowflake,
    pub(crate) number: u64,
}

/// A member's place in the tree.
#[derive(Clone, Debug)]
struct Leaf {
    presence: Presence,
    /// Not known of a founder who sent no key package before his commit.
    signature_key: Option<Vec<u8>>,
}

/// What a proposal changes.
#[derive(Clone, Debug)]
enum Change {
    Add {
        presence: Presence,
        package: Box<ValidPackage>,
    },
    Remove {
        leaf: usize,
    },
}

#[derive(Clone, Debug)]
struct Proposal {
    message: ProposalMessage,
    change: Change,
}

/// Why a commit does not win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Another one won, or the proposals have changed since: it comes too late.
    Outdated,
    /// It is not what a member may send.
    Invalid,
}

/// A valid commit.
#[derive(Debug)]
pub(crate) struct Judged {
    sender: Leaf,
    changes: Vec<Change>,
}

impl Judged {
    /// Whom it adds, and with which key package.
    pub(crate) fn added(&self) -> impl Iterator<Item = (Presence, &ValidPackage)> {
        self.changes.iter().filter_map(|change| match change {
            Change::Add { presence, package } => Some((*presence, &**package)),
            Change::Remove { .. } => None,
        })
    }
}

/// The group. Epoch 0 is a group that is not established: everyone has one of his own.
#[derive(Debug, Default)]
pub(crate) struct Mls {
    epoch: u64,
    leaves: Vec<Option<Leaf>>,
    proposals: Vec<Proposal>,
}

impl Mls {
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) const fn is_established(&self) -> bool {
        self.epoch > 0
    }

    pub(crate) fn contains(&self, presence: Presence) -> bool {
        self.members().any(|member| member == presence)
    }

    /// Everyone on a leaf, in the order of the tree.
    pub(crate) fn members(&self) -> impl Iterator<Item = Presence> {
        self.leaves.iter().flatten().map(|leaf| leaf.presence)
    }

    /// Leaves that nobody of `present` sits on, and that no proposal removes.
    pub(crate) fn deserted(&self, present: impl Fn(Presence) -> bool) -> Vec<usize> {
        let removed = |index| {
            let removes = |proposal: &Proposal| matches!(proposal.change, Change::Remove { leaf } if leaf == index);
            self.proposals.iter().any(removes)
        };
        self.leaves
            .iter()
            .enumerate()
            .filter(|(index, leaf)| leaf.as_ref().is_some_and(|leaf| !present(leaf.presence)) && !removed(*index))
            .map(|(index, _)| index)
            .collect()
    }

    pub(crate) fn is_proposed(&self, presence: Presence) -> bool {
        self.proposals.iter().any(|proposal| proposal.adds(presence))
    }

    pub(crate) fn propose_add(&mut self, presence: Presence, package: ValidPackage, message: ProposalMessage) {
        let package = Box::new(package);
        let change = Change::Add { presence, package };
        self.proposals.push(Proposal { message, change });
    }

    pub(crate) fn propose_remove(&mut self, leaf: usize, message: ProposalMessage) {
        let change = Change::Remove { leaf };
        self.proposals.push(Proposal { message, change });
    }

    /// Takes back the proposals to add those who are not `present` any more; returns them
    /// with whom they were about.
    pub(crate) fn revoke(&mut self, present: impl Fn(Presence) -> bool) -> Vec<(Snowflake, Vec<u8>)> {
        let stale = |proposal: &mut Proposal| match proposal.change {
            Change::Add { presence, .. } => !present(presence),
            Change::Remove { .. } => false,
        };
        self.proposals
            .extract_if(.., stale)
            .filter_map(|proposal| match proposal.change {
                Change::Add { presence, .. } => Some((presence.user, proposal.message.reference)),
                Change::Remove { .. } => None,
            })
            .collect()
    }

    /// Proposals in flight from number `first` on, as `to` gets them: nobody is asked to add himself.
    pub(crate) fn proposals_for(&self, to: Presence, first: usize) -> impl Iterator<Item = &[u8]> {
        self.proposals
            .iter()
            .skip(first)
            .filter(move |proposal| !proposal.adds(to))
            .map(|proposal| proposal.message.message.as_slice())
    }

    pub(crate) const fn proposals(&self) -> usize {
        self.proposals.len()
    }

    /// What a commit does, if it is valid: of this epoch, from its sender's leaf, with all proposals and nothing else.
    pub(crate) fn judge(
        &self,
        sender: Presence,
        signature_key: Option<&[u8]>,
        commit: &Commit<'_>,
    ) -> Result<Judged, Unfit> {
        if commit.epoch != self.epoch {
            return Err(Unfit::Outdated);
        }
        let leaf = self.leaf_of(sender, signature_key, commit.leaf).ok_or(Unfit::Invalid)?;
        if let Some(path) = &commit.path {
            let same_key = leaf
                .signature_key
                .as_deref()
                .is_none_or(|key| key == path.signature_key);
            if path.identity != sender.user.0.to_be_bytes() || !same_key {
                return Err(Unfit::Invalid);
            }
        }
        let changes = self.committed(sender, &commit.references)?;
        Ok(Judged { sender: leaf, changes })
    }

    /// The leaf that a commit's sender sits on, or founds the group on; `None` when it is not his.
    fn leaf_of(&self, sender: Presence, signature_key: Option<&[u8]>, index: u32) -> Option<Leaf> {
        if !self.is_established() {
            let signature_key = signature_key.map(<[u8]>::to_vec);
            return (index == 0).then_some(Leaf {
                presence: sender,
                signature_key,
            });
        }
        let leaf = self.leaves.get(usize::try_from(index).ok()?)?.clone()?;
        (leaf.presence == sender).then_some(leaf)
    }

    /// The changes that a commit names, if they are all that was proposed to its sender.
    fn committed(&self, sender: Presence, references: &[&[u8]]) -> Result<Vec<Change>, Unfit> {
        let proposed: Vec<_> = self
            .proposals
            .iter()
            .filter(|proposal| !proposal.adds(sender))
            .collect();
        let mut distinct = references.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if references.is_empty() || distinct.len() != references.len() {
            return Err(Unfit::Invalid);
        }
        if references.len() != proposed.len() {
            return Err(Unfit::Outdated);
        }
        references
            .iter()
            .map(|reference| {
                let named = proposed
                    .iter()
                    .find(|proposal| proposal.message.reference == *reference);
                named.map(|proposal| proposal.change.clone()).ok_or(Unfit::Outdated)
            })
            .collect()
    }

    /// Moves to the next epoch: removed leaves become blank, then each newcomer takes the leftmost blank leaf.
    pub(crate) fn apply(&mut self, judged: Judged) {
        if !self.is_established() {
            self.leaves = vec![Some(judged.sender)];
        }
        let mut newcomers = Vec::new();
        for change in judged.changes {
            match change {
                Change::Remove { leaf } => {
                    if let Some(leaf) = self.leaves.get_mut(leaf) {
                        *leaf = None;
                    }
                }
                Change::Add { presence, package } => newcomers.push(Leaf {
                    presence,
                    signature_key: Some(package.signature_key),
                }),
            }
        }
        for newcomer in newcomers {
            match self.leaves.iter_mut().find(|leaf| leaf.is_none()) {
                Some(blank) => *blank = Some(newcomer),
                None => self.leaves.push(Some(newcomer)),
            }
        }
        self.proposals.clear();
        self.epoch += 1;
    }
}

impl Proposal {
    fn adds(&self, who: Presence) -> bool {
        matches!(self.change, Change::Add { presence, .. } if presence == who)
    }
}
