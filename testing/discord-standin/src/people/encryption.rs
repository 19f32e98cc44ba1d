//! A person's end of a call's encryption: a DAVE client as anyone's, but without a websocket.

use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc};

use davey::{DaveSession, MediaType, ProposalsOperationType};

use crate::{
    control::types::Protection,
    snowflake::Snowflake,
    voice::{
        dave::{self, FromMember, Operation, Proposals, ToMember, VERSION},
        frames::SILENCE,
    },
};

/// Unencrypted sound is still heard for this long after a call became encrypted.
const PLAIN_GRACE_NS: u64 = 10_000_000_000;
/// Transitions that may be pending; a server with more of them has forgotten the older ones.
const MOST_PENDING: usize = 16;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("a session cannot be made: {0}")]
    Init(#[from] davey::errors::InitError),
    #[error("a session cannot begin anew: {0}")]
    Reinit(#[from] davey::errors::ReinitError),
    #[error("no key package can be made: {0}")]
    KeyPackage(#[from] davey::errors::CreateKeyPackageError),
}

/// How a frame leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// As it is.
    Plain,
    Encrypted(Arc<[u8]>),
    /// Not at all: the call is encrypted, and he has no keys yet.
    Unsaid,
}

/// One person's encryption in one call.
#[derive(Debug)]
pub(crate) struct Encryption {
    user: Snowflake,
    channel: Snowflake,
    /// The version that he speaks.
    version: u16,
    session: Option<DaveSession>,
    /// Versions by the transitions that lead to them.
    pending: BTreeMap<u16, u16>,
    /// Unencrypted sound is heard until then.
    plain_until_ns: u64,
}

impl Encryption {
    /// The encryption of a call that is joined, and what is to be said about it.
    pub(crate) fn enter(user: Snowflake, channel: Snowflake, version: u16) -> (Self, Vec<FromMember>) {
        let mut encryption = Self {
            user,
            channel,
            version,
            session: None,
            pending: BTreeMap::new(),
            plain_until_ns: 0,
        };
        let answers = encryption.begin_anew(version);
        (encryption, answers)
    }

    /// Does what the gateway says; returns what is to be answered.
    pub(crate) fn handle(&mut self, message: ToMember, now_ns: u64) -> Vec<FromMember> {
        match message {
            ToMember::PrepareTransition { id: 0, version } => {
                self.change_version(version, now_ns);
                Vec::new()
            }
            ToMember::PrepareTransition { id, version } => self.prepared(id, version),
            ToMember::ExecuteTransition { id } => {
                if let Some(version) = self.pending.remove(&id) {
                    self.change_version(version, now_ns);
                }
                Vec::new()
            }
            ToMember::PrepareEpoch { version, epoch: 1 } => self.begin_anew(version),
            ToMember::PrepareEpoch { .. } => Vec::new(),
            ToMember::ExternalSender(package) => {
                if let Some(Err(error)) = self
                    .session
                    .as_mut()
                    .map(|session| session.set_external_sender(&package))
                {
                    tracing::debug!(user = %self.user, %error, "the gateway's identity is of no use");
                }
                Vec::new()
            }
            ToMember::Proposals(proposals) => self.commit(&proposals).into_iter().collect(),
            ToMember::AnnounceCommit { transition, commit } => {
                let followed = self.session.as_mut().map(|session| session.process_commit(&commit));
                self.followed(transition, followed)
            }
            ToMember::Welcome { transition, welcome } => {
                let followed = self.session.as_mut().map(|session| session.process_welcome(&welcome));
                self.followed(transition, followed)
            }
        }
    }

    /// Encrypts what is said.
    pub(crate) fn encrypt(&mut self, opus: &[u8]) -> Spoken {
        if self.version == 0 || *opus == SILENCE {
            return Spoken::Plain;
        }
        let session = self.session.as_mut().filter(|session| session.is_ready());
        match session.map(|session| session.encrypt_opus(opus)) {
            Some(Ok(encrypted)) => Spoken::Encrypted(encrypted.as_ref().into()),
            Some(Err(_)) | None => Spoken::Unsaid,
        }
    }

    /// Decrypts what `speaker` said; without Opus where it cannot be.
    pub(crate) fn decrypt(
        &mut self,
        speaker: Snowflake,
        frame: &Arc<[u8]>,
        at_ns: u64,
    ) -> (Protection, Option<Arc<[u8]>>) {
        if dave::is_encrypted_opus(frame) {
            let session = self.session.as_mut();
            let opened = session.and_then(|session| session.decrypt(speaker.0, MediaType::AUDIO, frame).ok());
            match opened {
                Some(opus) => return (Protection::Encrypted, Some(opus.into())),
                None if self.version > 0 => return (Protection::Undecrypted, None),
                None => {}
            }
        }
        let plain_is_fine = self.version == 0 || at_ns < self.plain_until_ns;
        let protection = if plain_is_fine {
            Protection::Off
        } else {
            Protection::Plain
        };
        (protection, Some(Arc::clone(frame)))
    }

    fn change_version(&mut self, version: u16, now_ns: u64) {
        if self.version == 0 && version > 0 {
            self.plain_until_ns = now_ns + PLAIN_GRACE_NS;
        }
        self.version = version;
    }

    fn commit(&mut self, proposals: &Proposals) -> Option<FromMember> {
        let operation = match proposals.operation {
            Operation::Append => ProposalsOperationType::APPEND,
            Operation::Revoke => ProposalsOperationType::REVOKE,
        };
        // The expected users are not compared: the server that names them is the one that proposes.
        match self
            .session
            .as_mut()?
            .process_proposals(operation, &proposals.list, None)
        {
            Ok(commit) => commit.map(|made| {
                let welcome = made.welcome.unwrap_or_default();
                FromMember::CommitWelcome([made.commit, welcome].concat())
            }),
            Err(error) => {
                tracing::debug!(user = %self.user, %error, "proposals are of no use");
                None
            }
        }
    }

    /// After a commit or a welcome: ready for its transition, or lost and in need of a new way in.
    fn followed<E: std::fmt::Display>(&mut self, transition: u16, followed: Option<Result<(), E>>) -> Vec<FromMember> {
        match followed {
            Some(Ok(())) if transition == 0 => Vec::new(),
            Some(Ok(())) => self.prepared(transition, VERSION),
            Some(Err(error)) => {
                tracing::debug!(user = %self.user, %error, "the group cannot be followed");
                let mut answers = vec![FromMember::Invalid { transition }];
                answers.extend(self.begin_anew(VERSION));
                answers
            }
            None => Vec::new(),
        }
    }

    fn prepared(&mut self, transition: u16, version: u16) -> Vec<FromMember> {
        if self.pending.len() == MOST_PENDING {
            self.pending.pop_first();
        }
        self.pending.insert(transition, version);
        vec![FromMember::Ready { transition }]
    }

    /// Makes a key package with keys that were never used.
    fn begin_anew(&mut self, version: u16) -> Vec<FromMember> {
        let Some(version) = NonZeroU16::new(version) else {
            return Vec::new();
        };
        match self.new_key_package(version) {
            Ok(package) => vec![FromMember::KeyPackage(package)],
            Err(trouble) => {
                tracing::warn!(user = %self.user, %trouble, "a person stays without encryption");
                Vec::new()
            }
        }
    }

    fn new_key_package(&mut self, version: NonZeroU16) -> Result<Vec<u8>, Trouble> {
        let (user, channel) = (self.user.0, self.channel.0);
        let session = match &mut self.session {
            Some(session) => {
                session.reinit(version, user, channel, None)?;
                session
            }
            none => none.insert(DaveSession::new(version, user, channel, None)?),
        };
        Ok(session.create_key_package()?)
    }
}
