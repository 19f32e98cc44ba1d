//! Who the bridge is: its bot, its ghosts, its registration.

use std::time::Duration;

use ruma::api::client::account::{register, whoami};
use ruma::api::client::appservice::request_ping;
use ruma::api::client::media::create_content;
use ruma::api::client::profile::{ProfileFieldValue, set_profile_field};
use ruma::{OwnedMxcUri, OwnedUserId, UserId};

use super::MatrixClient;
use crate::matrix::{Fault, MatrixError};

impl MatrixClient {
    /// Asks the homeserver whom it takes us for.
    pub async fn whoami(&self) -> Result<OwnedUserId, MatrixError> {
        Ok(self.request(whoami::v3::Request::new()).await?.user_id)
    }

    /// Asks the homeserver to reach the bridge; returns how long that took it.
    ///
    /// A homeserver that has given up on the bridge for a while tries again at once after this.
    pub async fn ping(&self, appservice_id: &str) -> Result<Duration, MatrixError> {
        Ok(self
            .request(request_ping::v1::Request::new(appservice_id.to_owned()))
            .await?
            .duration)
    }

    /// Makes sure that the user that this client acts as exists.
    pub async fn ensure_registered(&self) -> Result<(), MatrixError> {
        let mut request = register::v3::Request::new();
        request.username = Some(self.user().localpart().to_owned());
        request.login_type = Some(register::LoginType::ApplicationService);
        request.inhibit_login = true;
        // Registering is the bot's business: the user itself is not there yet to act.
        match self.as_user(self.bot()).request(request).await {
            Err(error) if error.fault() != Fault::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    /// Sets the name that people see.
    pub async fn set_display_name(&self, name: &str) -> Result<(), MatrixError> {
        let request = set_profile_field::v3::Request::new(
            self.user().to_owned(),
            ProfileFieldValue::DisplayName(name.to_owned()),
        );
        self.request(request).await.map(drop)
    }

    /// Sets the picture that people see: an `mxc://` address, as [`upload`](Self::upload) gives it.
    pub async fn set_avatar(&self, address: &str) -> Result<(), MatrixError> {
        let avatar = ProfileFieldValue::AvatarUrl(OwnedMxcUri::from(address));
        let request = set_profile_field::v3::Request::new(self.user().to_owned(), avatar);
        self.request(request).await.map(drop)
    }

    /// Puts a file where everybody can get it, and returns its `mxc://` address.
    pub async fn upload(&self, file: Vec<u8>, content_type: &str) -> Result<String, MatrixError> {
        let mut request = create_content::v3::Request::new(file);
        request.content_type = Some(content_type.to_owned());
        Ok(self.request(request).await?.content_uri.to_string())
    }

    /// The user id of a ghost. `id` is what follows the configured prefix in its localpart.
    pub fn ghost_id(&self, id: &str) -> Result<OwnedUserId, MatrixError> {
        let localpart = format!("{}{id}", self.ghost_prefix());
        UserId::parse_with_server_name(localpart, self.server_name())
            .map_err(|error| MatrixError::Request(error.to_string()))
    }

    /// Makes sure that a ghost exists under that name, and returns a client that acts as it; see
    /// [`ghost_id`](Self::ghost_id).
    pub async fn ensure_ghost(&self, id: &str, display_name: &str) -> Result<Self, MatrixError> {
        let ghost = self.as_user(&self.ghost_id(id)?);
        ghost.ensure_registered().await?;
        ghost.set_display_name(display_name).await?;
        Ok(ghost)
    }
}
