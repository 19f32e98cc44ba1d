//! Events as JSON and back: the only place, with the state events beside it, that knows the field names.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::error::{EventError, Problem};
use super::fields::Fields;
use super::{
    Accept, Body, Broken, Channel, Close, End, Event, Extensions, Header, Offer, Person, Refusal, Request, VERSION,
    names,
};
use crate::code::{BrokenReason, CloseReason, Format, RejectReason};

/// The most formats that a request may list.
const MAX_FORMATS: usize = 16;

/// The most extension keys that an offer or an accept may list.
const MAX_EXTENSIONS: usize = 16;

impl Event {
    /// Reads an event; none where the type is not one of this protocol's, so that later versions may add some.
    ///
    /// Fields that are not known are ignored.
    pub fn from_json(kind: &str, content: &Value) -> Result<Option<Self>, EventError> {
        let Some((kind, read_body)) = reader(kind) else {
            return Ok(None);
        };
        let read = || {
            let fields = Fields::of(content)?;
            fields.version()?;
            let header = read_header(&fields)?;
            let body = read_body(&fields, &header)?;
            Ok(Self { header, body })
        };
        read().map(Some).map_err(|problem| EventError {
            kind,
            problem,
            header: readable_header(content).map(Box::new),
        })
    }

    /// The event's content.
    pub fn to_json(&self) -> Value {
        let mut content = Content::with(&self.header);
        match &self.body {
            Body::Request(request) => {
                let formats: Value = request.formats.iter().map(Format::code).collect();
                content.put("formats", formats);
                if request.after_epoch > 0 {
                    content.put("after_epoch", request.after_epoch);
                }
            }
            Body::Offer(Offer { channel, end }) | Body::Accept(Accept { channel, end }) => {
                content.put_channel(*channel);
                content.put_address(end.address);
                if let Some(share) = end.share {
                    content.put("share", share.to_string());
                }
                if end.extensions != Extensions::NONE {
                    content.put("extensions", end.extensions.keys());
                }
            }
            Body::Reject(Refusal {
                reason,
                text,
                retry_after,
            }) => {
                content.put_reason(reason.code(), text);
                if let Some(wait) = retry_after {
                    content.put("retry_after", wait.as_secs());
                }
            }
            Body::People(people) => {
                let people: Value = people.iter().map(person).collect();
                content.put("people", people);
            }
            Body::Audience(channel, audience) => {
                content.put_channel(*channel);
                content.put("listening", audience.listening);
                if let Some(bitrate) = audience.bitrate {
                    content.put("bitrate", bitrate);
                }
            }
            Body::Broken(Broken { channel, reason, text }) => {
                content.put_channel(*channel);
                content.put_reason(reason.code(), text);
            }
            Body::Close(Close { channel, reason, text }) => {
                if let Some(channel) = channel {
                    content.put_channel(*channel);
                }
                content.put_reason(reason.code(), text);
            }
        }
        content.into()
    }
}

type ReadBody = fn(&Fields<'_>, &Header) -> Result<Body, Problem>;

fn reader(kind: &str) -> Option<(&'static str, ReadBody)> {
    Some(match kind {
        names::REQUEST => (names::REQUEST, read_request),
        names::OFFER => (names::OFFER, read_offer),
        names::ACCEPT => (names::ACCEPT, read_accept),
        names::REJECT => (names::REJECT, read_reject),
        names::PEOPLE => (names::PEOPLE, read_people),
        names::AUDIENCE => (names::AUDIENCE, read_audience),
        names::BROKEN => (names::BROKEN, read_broken),
        names::CLOSE => (names::CLOSE, read_close),
        _ => return None,
    })
}

pub(super) fn read_header(fields: &Fields<'_>) -> Result<Header, Problem> {
    Ok(Header {
        room_id: fields.room_id()?,
        transaction_id: fields.transaction_id()?,
        format: fields.code("format", Format::from_code)?,
    })
}

/// What an answer needs, from an event that cannot be read as a whole.
fn readable_header(content: &Value) -> Option<Header> {
    let fields = Fields::of(content).ok()?;
    Some(Header {
        room_id: fields.room_id().ok()?,
        transaction_id: fields.transaction_id().ok()?,
        format: fields
            .code("format", Format::from_code)
            .unwrap_or(EventError::FALLBACK_FORMAT),
    })
}

fn read_request(fields: &Fields<'_>, header: &Header) -> Result<Body, Problem> {
    let formats = fields.codes("formats", MAX_FORMATS, Format::from_code)?;
    Ok(Body::Request(Request {
        formats: formats.unwrap_or_else(|| vec![header.format.clone()]),
        after_epoch: fields.after_epoch()?,
    }))
}

fn read_offer(fields: &Fields<'_>, header: &Header) -> Result<Body, Problem> {
    Ok(Body::Offer(Offer {
        channel: fields.channel()?,
        end: read_end(fields, header)?,
    }))
}

fn read_accept(fields: &Fields<'_>, header: &Header) -> Result<Body, Problem> {
    Ok(Body::Accept(Accept {
        channel: fields.channel()?,
        end: read_end(fields, header)?,
    }))
}

fn read_end(fields: &Fields<'_>, header: &Header) -> Result<End, Problem> {
    Ok(End {
        address: fields.address()?,
        share: header.format.is_sealed().then(|| fields.share()).transpose()?,
        extensions: Extensions::of(
            &fields
                .codes("extensions", MAX_EXTENSIONS, str::to_owned)?
                .unwrap_or_default(),
        ),
    })
}

fn read_reject(fields: &Fields<'_>, _: &Header) -> Result<Body, Problem> {
    Ok(Body::Reject(Refusal {
        reason: fields.code("reason", RejectReason::from_code)?,
        text: fields.text()?,
        retry_after: fields.seconds("retry_after")?,
    }))
}

fn read_people(fields: &Fields<'_>, _: &Header) -> Result<Body, Problem> {
    fields.people().map(Body::People)
}

fn read_audience(fields: &Fields<'_>, _: &Header) -> Result<Body, Problem> {
    Ok(Body::Audience(fields.channel()?, fields.audience()?))
}

fn read_broken(fields: &Fields<'_>, _: &Header) -> Result<Body, Problem> {
    Ok(Body::Broken(Broken {
        channel: fields.channel()?,
        reason: fields.code("reason", BrokenReason::from_code)?,
        text: fields.text()?,
    }))
}

fn read_close(fields: &Fields<'_>, _: &Header) -> Result<Body, Problem> {
    Ok(Body::Close(Close {
        channel: fields.optional_channel()?,
        reason: fields.code("reason", CloseReason::from_code)?,
        text: fields.text()?,
    }))
}

fn person(person: &Person) -> Value {
    let mut content = Content::default();
    content.put("id", person.id.as_str());
    if let Some(speaker) = person.speaker {
        content.put("speaker", speaker.number());
    }
    if let Some(name) = &person.name {
        content.put("name", name.as_str());
    }
    if let Some(avatar) = &person.avatar {
        content.put("avatar", avatar.as_str());
    }
    content.into()
}

/// A JSON object that is being written.
#[derive(Default)]
pub(super) struct Content(Map<String, Value>);

impl Content {
    /// The content of a versioned event without anything else.
    pub(super) fn versioned() -> Self {
        let mut content = Self::default();
        content.put("version", VERSION);
        content
    }

    /// What every event carries.
    pub(super) fn with(header: &Header) -> Self {
        let mut content = Self::versioned();
        content.put("format", header.format.code());
        content.put("room_id", header.room_id.as_str());
        content.put("transaction_id", header.transaction_id.as_str());
        content
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn put_channel(&mut self, channel: Channel) {
        self.put("channel_id", channel.id.to_string());
        self.put("epoch", channel.epoch);
    }

    pub(super) fn put_address(&mut self, address: SocketAddr) {
        self.put("address", address.ip().to_string());
        self.put("port", address.port());
    }

    fn put_reason(&mut self, code: &str, text: &str) {
        self.put("reason", code);
        if !text.is_empty() {
            self.put("text", text);
        }
    }
}

impl From<Content> for Value {
    fn from(content: Content) -> Self {
        Self::Object(content.0)
    }
}
