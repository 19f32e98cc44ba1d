//! What every websocket message of a client is wrapped in, on both gateways.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Why a message could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// No JSON, or not of the operation's shape: close code 4002.
    Malformed,
    /// An operation that does not exist: close code 4001.
    UnknownOperation,
}

/// An operation and its data, not yet looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) op: u64,
    #[serde(default, rename = "d")]
    pub(crate) data: Value,
}

impl Envelope {
    /// Opens a message.
    pub(crate) fn open(text: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(text).map_err(|_| DecodeError::Malformed)
    }

    /// The data in the shape that its operation has.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        serde_json::from_value(self.data).map_err(|_| DecodeError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_may_be_absent_and_has_to_have_the_shape_that_is_read() {
        let bare = Envelope::open("{\"op\":1}").unwrap();
        assert_eq!((bare.op, &bare.data), (1, &Value::Null));
        assert_eq!(bare.read::<u64>(), Err(DecodeError::Malformed));
        assert_eq!(Envelope::open("{\"op\":1,\"d\":7}").unwrap().read(), Ok(7_u64));
        assert_eq!(Envelope::open("[]").unwrap_err(), DecodeError::Malformed);
    }
}
