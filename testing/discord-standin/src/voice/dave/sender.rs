//! The voice gateway as the external sender of a group: it proposes who is added and who is removed.

use openmls::prelude::{
    BasicCredential, Ciphersuite, CredentialType, ExternalProposal, ExternalSender, GroupEpoch, GroupId, KeyPackage,
    KeyPackageIn, LeafNodeIndex, MlsMessageOut, ProtocolVersion, SenderExtensionIndex,
    hash_ref::make_proposal_ref,
    tls_codec::{DeserializeBytes as _, Serialize as _},
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::{OpenMlsRustCrypto, RustCrypto};

use crate::snowflake::Snowflake;

/// Cipher suite of DAVE version 1.
const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
/// Version and wire format of an MLS message; a proposal's reference is made without the version.
const VERSION_LEN: usize = 2;
/// Wire format of a key package inside an MLS message.
const MLS_KEY_PACKAGE: [u8; 4] = [0, 1, 0, 5];
/// What the gateway calls itself. Members compare it, and give it no meaning.
const IDENTITY: &[u8] = b"discord-standin";

/// Why no keys could be made.
#[derive(Debug, thiserror::Error)]
#[error("the gateway's MLS identity could not be made")]
pub(crate) struct NoIdentity;

/// Why a key package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyPackageError {
    #[error("it cannot be read")]
    Malformed,
    #[error("a signature in it is wrong")]
    NotSigned,
    #[error("it is of another cipher suite")]
    OtherCiphersuite,
    #[error("it is somebody else's")]
    OtherUser,
    #[error("its lifetime is not unlimited")]
    Lifetime,
}

/// A key package that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct ValidPackage {
    package: KeyPackage,
    /// What a welcome calls it.
    pub(crate) reference: Vec<u8>,
    pub(crate) signature_key: Vec<u8>,
}

/// A proposal as it is broadcast.
#[derive(Clone, Debug)]
pub(crate) struct ProposalMessage {
    pub(crate) message: Vec<u8>,
    pub(crate) reference: Vec<u8>,
}

/// The gateway's keys; one of it serves all groups.
#[derive(Debug)]
pub(crate) struct Proposer {
    keys: SignatureKeyPair,
    package: Vec<u8>,
    crypto: RustCrypto,
}

impl Proposer {
    pub(crate) fn new() -> Result<Self, NoIdentity> {
        let keys = SignatureKeyPair::new(CIPHERSUITE.signature_algorithm()).map_err(|_| NoIdentity)?;
        let credential = BasicCredential::new(IDENTITY.to_vec());
        let sender = ExternalSender::new(keys.public().into(), credential.into());
        Ok(Self {
            package: sender.tls_serialize_detached().map_err(|_| NoIdentity)?,
            keys,
            crypto: RustCrypto::default(),
        })
    }

    /// What members need to know of the gateway (op 25).
    pub(crate) fn package(&self) -> &[u8] {
        &self.package
    }

    /// Looks at a key package that `user` sent, bare or inside an MLS message.
    pub(crate) fn validate(&self, user: Snowflake, bytes: &[u8]) -> Result<ValidPackage, KeyPackageError> {
        let bare = bytes.strip_prefix(&MLS_KEY_PACKAGE).unwrap_or(bytes);
        let package = KeyPackageIn::tls_deserialize_exact_bytes(bare).map_err(|_| KeyPackageError::Malformed)?;
        let package = package
            .validate(&self.crypto, ProtocolVersion::Mls10)
            .map_err(|_| KeyPackageError::NotSigned)?;
        if package.ciphersuite() != CIPHERSUITE {
            return Err(KeyPackageError::OtherCiphersuite);
        }
        let leaf = package.leaf_node();
        let credential = leaf.credential();
        let basic = credential.credential_type() == CredentialType::Basic;
        if !basic || credential.serialized_content() != user.0.to_be_bytes() {
            return Err(KeyPackageError::OtherUser);
        }
        let lifetime = package.life_time();
        if (lifetime.not_before(), lifetime.not_after()) != (0, u64::MAX) {
            return Err(KeyPackageError::Lifetime);
        }
        let reference = package.hash_ref(&self.crypto).map_err(|_| KeyPackageError::Malformed)?;
        Ok(ValidPackage {
            reference: reference.as_slice().to_vec(),
            signature_key: leaf.signature_key().as_slice().to_vec(),
            package,
        })
    }

    /// Proposes to add the owner of a key package.
    pub(crate) fn add(&self, group: Snowflake, epoch: u64, package: &ValidPackage) -> Option<ProposalMessage> {
        let proposal = ExternalProposal::new_add::<OpenMlsRustCrypto>(
            package.package.clone(),
            group_id(group),
            GroupEpoch::from(epoch),
            &self.keys,
            SenderExtensionIndex::new(0),
        );
        self.message(&proposal.ok()?)
    }

    /// Proposes to remove a leaf.
    pub(crate) fn remove(&self, group: Snowflake, epoch: u64, leaf: usize) -> Option<ProposalMessage> {
        let proposal = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(u32::try_from(leaf).ok()?),
            group_id(group),
            GroupEpoch::from(epoch),
            &self.keys,
            SenderExtensionIndex::new(0),
        );
        self.message(&proposal.ok()?)
    }

    fn message(&self, proposal: &MlsMessageOut) -> Option<ProposalMessage> {
        let message = proposal.tls_serialize_detached().ok()?;
        let reference = make_proposal_ref(message.get(VERSION_LEN..)?, CIPHERSUITE, &self.crypto).ok()?;
        Some(ProposalMessage {
            reference: reference.as_slice().to_vec(),
            message,
        })
    }
}

fn group_id(channel: Snowflake) -> GroupId {
    GroupId::from_slice(&channel.0.to_be_bytes())
}
