//! What a member sends with op 28: a commit, and a welcome for those whom it adds.
//!
//! A commit is a public message, so that the delivery service can see whether it is what was asked for. Its signature
//! and its key schedule cannot be judged without the group's state, which only members have: a member who cannot
//! process it says so with op 31.

use super::tls::{Malformed, Reader, write_vector};

const MLS_10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const SENT_BY_MEMBER: u8 = 1;
const COMMIT: u8 = 3;
const PROPOSAL_REFERENCE: u8 = 2;
const BASIC_CREDENTIAL: u16 = 1;
const LEAF_NODE_OF_COMMIT: u8 = 3;

/// Why a commit is not one that a member may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it is no public message of a member with a commit in it")]
    NotACommit,
    #[error("it brings proposals of its own")]
    OwnProposal,
}

/// A commit as far as it can be seen.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) group_id: &'a [u8],
    pub(crate) epoch: u64,
    /// Leaf of its sender.
    pub(crate) leaf: u32,
    /// References of the proposals, in the order in which they take effect.
    pub(crate) references: Vec<&'a [u8]>,
    /// The sender's new leaf, which not every commit has.
    pub(crate) path: Option<LeafNode<'a>>,
}

/// Who a leaf says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeafNode<'a> {
    pub(crate) signature_key: &'a [u8],
    pub(crate) identity: &'a [u8],
}

/// Takes a commit apart; returns it, its bytes, and the bytes behind it.
pub(crate) fn read(bytes: &[u8]) -> Result<(Commit<'_>, &[u8], &[u8]), CommitError> {
    let mut reader = Reader::new(bytes);
    if (reader.u16()?, reader.u16()?) != (MLS_10, PUBLIC_MESSAGE) {
        return Err(CommitError::NotACommit);
    }
    let group_id = reader.vector()?;
    let epoch = reader.u64()?;
    if reader.u8()? != SENT_BY_MEMBER {
        return Err(CommitError::NotACommit);
    }
    let leaf = reader.u32()?;
    let _authenticated_data = reader.vector()?;
    if reader.u8()? != COMMIT {
        return Err(CommitError::NotACommit);
    }
    let references = references(reader.vector()?)?;
    let path = match reader.u8()? {
        0 => None,
        1 => Some(update_path(&mut reader)?),
        _ => return Err(Malformed.into()),
    };
    let _signature = reader.vector()?;
    let _confirmation_tag = reader.vector()?;
    let _membership_tag = reader.vector()?;
    let (message, rest) = bytes.split_at(bytes.len() - reader.rest().len());
    let commit = Commit {
        group_id,
        epoch,
        leaf,
        references,
        path,
    };
    Ok((commit, message, rest))
}

fn references(proposals: &[u8]) -> Result<Vec<&[u8]>, CommitError> {
    let mut reader = Reader::new(proposals);
    let mut references = Vec::new();
    while !reader.is_empty() {
        if reader.u8()? != PROPOSAL_REFERENCE {
            return Err(CommitError::OwnProposal);
        }
        references.push(reader.vector()?);
    }
    Ok(references)
}

/// Reads an update path (RFC 9420 §7.6) and returns what it says of its sender.
fn update_path<'a>(reader: &mut Reader<'a>) -> Result<LeafNode<'a>, CommitError> {
    let _encryption_key = reader.vector()?;
    let signature_key = reader.vector()?;
    if reader.u16()? != BASIC_CREDENTIAL {
        return Err(CommitError::NotACommit);
    }
    let identity = reader.vector()?;
    for _capabilities in ["versions", "ciphersuites", "extensions", "proposals", "credentials"] {
        reader.vector()?;
    }
    if reader.u8()? != LEAF_NODE_OF_COMMIT {
        return Err(CommitError::NotACommit);
    }
    for _field in ["parent hash", "extensions", "signature", "path nodes"] {
        reader.vector()?;
    }
    Ok(LeafNode {
        signature_key,
        identity,
    })
}

/// A welcome (RFC 9420 §12.4.3.1), which is cut down for each of those who are welcomed.
#[derive(Debug)]
pub(crate) struct Welcome<'a> {
    cipher_suite: u16,
    /// Reference of the key package, and the whole entry.
    secrets: Vec<(&'a [u8], &'a [u8])>,
    group_info: &'a [u8],
}

impl<'a> Welcome<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let cipher_suite = reader.u16()?;
        let mut entries = Reader::new(reader.vector()?);
        let group_info = reader.vector()?;
        if !reader.is_empty() {
            return Err(Malformed);
        }
        let mut secrets = Vec::new();
        while !entries.is_empty() {
            let before = entries.rest();
            let reference = entries.vector()?;
            let _kem_output = entries.vector()?;
            let _ciphertext = entries.vector()?;
            let entry = before.split_at(before.len() - entries.rest().len()).0;
            secrets.push((reference, entry));
        }
        Ok(Self {
            cipher_suite,
            secrets,
            group_info,
        })
    }

    /// The welcome with nothing but the secrets for one key package; `None` when it has none for it.
    pub(crate) fn only_for(&self, key_package: &[u8]) -> Option<Vec<u8>> {
        let (_, entry) = self.secrets.iter().find(|(reference, _)| *reference == key_package)?;
        let mut welcome = self.cipher_suite.to_be_bytes().to_vec();
        write_vector(&mut welcome, entry);
        write_vector(&mut welcome, self.group_info);
        Some(welcome)
    }
}
