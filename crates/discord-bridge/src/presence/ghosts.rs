//! The Matrix users who stand for people on Discord: they have their names and pictures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_kit::matrix::{MatrixClient, MatrixError};
use reqwest::header::CONTENT_TYPE;
use url::Url;

use crate::gateway::facts::{Person, UserId};

/// Ghosts that are remembered as they are; with more, all are made sure of anew.
const REMEMBERED: usize = 4096;

/// The largest picture that is carried over.
const LARGEST: usize = 1 << 20;

/// How long fetching one may take: somebody waits to be shown meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a ghost looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looks {
    /// Nothing where a picture is known and the ghost was not seen yet.
    name: Option<String>,
    avatar: Option<String>,
    /// Where the picture is on Matrix.
    address: Option<String>,
}

/// Makes ghosts, and keeps their names and pictures up to date. Clones share what is known of them.
#[derive(Debug, Clone)]
pub(super) struct Ghosts {
    matrix: MatrixClient,
    /// Where Discord's pictures are.
    pictures: Url,
    http: reqwest::Client,
    known: Arc<Mutex<HashMap<UserId, Looks>>>,
}

impl Ghosts {
    pub(super) fn new(matrix: &MatrixClient, pictures: Url) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        Self {
            matrix: matrix.impatient(),
            pictures,
            http: http.unwrap_or_default(),
            known: Arc::default(),
        }
    }

    /// A picture is on Matrix already, under this address.
    pub(super) fn remember(&self, user: UserId, avatar: &str, address: &str) {
        self.known().entry(user).or_insert_with(|| Looks {
            name: None,
            avatar: Some(avatar.to_owned()),
            address: Some(address.to_owned()),
        });
    }

    /// Makes sure that somebody's ghost is there and looks like him; returns where his picture is on Matrix, if it is.
    pub(super) async fn dress(&self, person: &Person) -> Result<Option<String>, MatrixError> {
        let known = self.known().get(&person.id).cloned();
        let has_name = |looks: &Looks| looks.name.as_deref() == Some(person.name.as_str());
        if let Some(looks) = &known
            && has_name(looks)
            && looks.avatar == person.avatar
        {
            return Ok(looks.address.clone());
        }
        let ghost = self.matrix.as_user(&self.matrix.ghost_id(&person.id.to_string())?);
        if known.as_ref().is_none_or(|looks| looks.name.is_none()) {
            ghost.ensure_registered().await?;
        }
        if !known.as_ref().is_some_and(has_name) {
            ghost.set_display_name(&person.name).await?;
        }
        let address = match known.filter(|looks| looks.avatar == person.avatar) {
            Some(Looks { address, .. }) => address,
            None => self.carry(&ghost, person).await?,
        };
        let looks = Looks {
            name: Some(person.name.clone()),
            avatar: person.avatar.clone(),
            address: address.clone(),
        };
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(person.id, looks);
        Ok(address)
    }

    /// Carries somebody's picture over. One that Discord does not give is left out, until there is another.
    async fn carry(&self, ghost: &MatrixClient, person: &Person) -> Result<Option<String>, MatrixError> {
        let Some(avatar) = &person.avatar else {
            return Ok(None);
        };
        let Some((picture, content_type)) = self.fetch(avatar).await else {
            tracing::debug!("somebody's picture cannot be had from Discord");
            return Ok(None);
        };
        let address = ghost.upload(picture, &content_type).await?;
        ghost.set_avatar(&address).await?;
        Ok(Some(address))
    }

    async fn fetch(&self, avatar: &str) -> Option<(Vec<u8>, String)> {
        let mut address = self.pictures.join(&format!("{avatar}.png")).ok()?;
        address.set_query(Some("size=256"));
        let mut response = self.http.get(address).send().await.ok()?.error_for_status().ok()?;
        let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?.to_owned();
        if !content_type.starts_with("image/") {
            return None;
        }
        let mut picture = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if picture.len() + chunk.len() > LARGEST {
                return None;
            }
            picture.extend_from_slice(&chunk);
        }
        Some((picture, content_type))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserId, Looks>> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
