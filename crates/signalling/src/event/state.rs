//! The state events: the mark of a control room, and the record of an open channel.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::error::{EventError, Problem};
use super::fields::Fields;
use super::json::{Content, read_header};
use super::{Channel, Header, names};

/// Marks a room as the control room of two bridges (requirement S5).
///
/// A mark proves nothing: anybody can set one in a room of his own. It must agree with the configured peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The user id of the bridge that asks for channels.
    pub asker: String,
    /// The user id of the bridge that answers.
    pub answerer: String,
}

impl Mark {
    /// Reads the content of a mark.
    pub fn from_json(content: &Value) -> Result<Self, EventError> {
        let read = || {
            let fields = Fields::of(content)?;
            fields.version()?;
            let user = |name: &str| fields.string(name).map(str::to_owned);
            Ok(Self {
                asker: user("asker")?,
                answerer: user("answerer")?,
            })
        };
        read().map_err(|problem| without_answer(names::CONTROL, problem))
    }

    /// The mark's content.
    pub fn to_json(&self) -> Value {
        let mut content = Content::versioned();
        content.put("asker", self.asker.as_str());
        content.put("answerer", self.answerer.as_str());
        content.into()
    }
}

/// An open channel as the control room remembers it: ids and addresses, never keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelRecord {
    /// The room, the transaction and the format.
    pub header: Header,
    /// Which epoch is open.
    pub channel: Channel,
    /// Where the answering side hears.
    pub answerer: SocketAddr,
    /// Where the asking side hears.
    pub asker: SocketAddr,
}

impl ChannelRecord {
    /// The content that stands where no channel is open any more.
    pub fn none() -> Value {
        Value::Object(Map::new())
    }

    /// Reads the content of a record; none where no channel is open.
    pub fn from_json(content: &Value) -> Result<Option<Self>, EventError> {
        read_or_none(names::CHANNEL, content, |fields| {
            Ok(Self {
                header: read_header(fields)?,
                channel: fields.channel()?,
                answerer: fields.object("answerer")?.address()?,
                asker: fields.object("asker")?.address()?,
            })
        })
    }

    /// The record's content.
    pub fn to_json(&self) -> Value {
        let end = |address: SocketAddr| -> Value {
            let mut end = Content::default();
            end.put_address(address);
            end.into()
        };
        let mut content = Content::with(&self.header);
        content.put_channel(self.channel);
        content.put("answerer", end(self.answerer));
        content.put("asker", end(self.asker));
        content.into()
    }
}

/// Reads the content of a state event; none where it is empty, by which state is taken back.
pub(super) fn read_or_none<T>(
    kind: &'static str,
    content: &Value,
    read: impl FnOnce(&Fields<'_>) -> Result<T, Problem>,
) -> Result<Option<T>, EventError> {
    let read_versioned = || {
        let fields = Fields::of(content)?;
        if fields.is_empty() {
            return Ok(None);
        }
        fields.version()?;
        read(&fields).map(Some)
    };
    read_versioned().map_err(|problem| without_answer(kind, problem))
}

/// Nobody waits for an answer to a state event.
const fn without_answer(kind: &'static str, problem: Problem) -> EventError {
    EventError {
        kind,
        problem,
        header: None,
    }
}
