//! What single devices are told, past all rooms.

use std::collections::BTreeMap;

use ruma::api::client::to_device::send_event_to_device;
use ruma::to_device::DeviceIdOrAllDevices;
use ruma::{TransactionId, UserId};
use serde::Serialize;

use super::MatrixClient;
use super::rooms::raw;
use crate::matrix::MatrixError;

impl MatrixClient {
    /// Sends an event to one device of a user, unencrypted. Whether there is such a device the homeserver does not say.
    pub async fn send_to_device(
        &self,
        user: &UserId,
        device: &str,
        kind: &str,
        content: &impl Serialize,
    ) -> Result<(), MatrixError> {
        let device = DeviceIdOrAllDevices::DeviceId(device.into());
        let messages = BTreeMap::from([(device, raw(content)?.cast_unchecked())]);
        let messages = BTreeMap::from([(user.to_owned(), messages)]);
        let request = send_event_to_device::v3::Request::new_raw(kind.into(), TransactionId::new(), messages);
        self.request(request).await.map(drop)
    }
}
