//! Reads the fields of a JSON object, so that what is wrong with one is said with its path.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::Problem;
use super::{
    Audience, Avatar, BITRATES, Channel, ChannelId, KeyShare, MAX_PEOPLE, MAX_ROOM_ID, Person, PersonId, SpeakerId,
    TransactionId, VERSION,
};

/// The longest code of a format or a reason, in bytes.
const MAX_CODE: usize = 64;

/// The longest text for people that is kept, in bytes; what is longer is cut, since it is only shown.
const MAX_TEXT: usize = 1_000;

type Read<T> = Result<T, Problem>;

/// A JSON object and where it stands in the event.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: String,
}

impl<'a> Fields<'a> {
    /// The fields of an event's content.
    pub(super) fn of(content: &'a Value) -> Read<Self> {
        let object = content.as_object().ok_or(Problem::NotAnObject)?;
        Ok(Self {
            object,
            prefix: String::new(),
        })
    }

    /// The fields of an object inside this one.
    pub(super) fn object(&self, name: &str) -> Read<Self> {
        let Some(object) = self.present(name)?.as_object() else {
            return Err(self.wrong_type(name, "an object"));
        };
        Ok(Self {
            object,
            prefix: format!("{}.", self.path(name)),
        })
    }

    /// Whether the object has no field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// Checks that the event is of the version that is spoken here.
    pub(super) fn version(&self) -> Read<()> {
        let version = self.present("version")?;
        if version.as_u64() == Some(VERSION) {
            return Ok(());
        }
        if !version.is_number() && !version.is_string() {
            return Err(self.wrong_type("version", "a number"));
        }
        let mut found = version.to_string();
        cut(&mut found, MAX_CODE);
        Err(Problem::Version { found })
    }

    pub(super) fn room_id(&self) -> Read<String> {
        let room_id = self.string("room_id")?;
        if !room_id.starts_with('!') || !(2..=MAX_ROOM_ID).contains(&room_id.len()) {
            return Err(self.invalid("room_id", "a room id of at most 255 bytes"));
        }
        Ok(room_id.to_owned())
    }

    pub(super) fn transaction_id(&self) -> Read<TransactionId> {
        TransactionId::new(self.string("transaction_id")?)
            .ok_or_else(|| self.invalid("transaction_id", "1 to 128 bytes of visible ASCII"))
    }

    /// A code of a closed list that may grow.
    pub(super) fn code<T>(&self, name: &str, from_code: fn(&str) -> T) -> Read<T> {
        let code = self.string(name)?;
        if !is_code(code) {
            return Err(self.invalid(name, CODE));
        }
        Ok(from_code(code))
    }

    /// A list of codes; none where the field is absent.
    pub(super) fn codes<T>(&self, name: &str, most: usize, from_code: fn(&str) -> T) -> Read<Option<Vec<T>>> {
        let Some(list) = self.object.get(name) else {
            return Ok(None);
        };
        let list = list.as_array().ok_or_else(|| self.wrong_type(name, "a list"))?;
        if list.is_empty() || list.len() > most {
            return Err(self.invalid(name, "a list of 1 to 16"));
        }
        let read = |(at, code): (usize, &Value)| {
            let path = format!("{name}[{at}]");
            let code = code.as_str().ok_or_else(|| self.wrong_type(&path, "a string"))?;
            if is_code(code) {
                Ok(from_code(code))
            } else {
                Err(self.invalid(&path, CODE))
            }
        };
        list.iter().enumerate().map(read).collect::<Read<Vec<T>>>().map(Some)
    }

    /// People, each an object with an `id`, and perhaps with more.
    pub(super) fn people(&self) -> Read<Vec<Person>> {
        let list = self.present("people")?;
        let list = list.as_array().ok_or_else(|| self.wrong_type("people", "a list"))?;
        if list.len() > MAX_PEOPLE {
            return Err(self.invalid("people", "a list of at most 256"));
        }
        let read = |(at, person): (usize, &'a Value)| {
            let path = format!("people[{at}]");
            let object = person.as_object().ok_or_else(|| self.wrong_type(&path, "an object"))?;
            let prefix = format!("{path}.");
            Self { object, prefix }.person()
        };
        list.iter().enumerate().map(read).collect()
    }

    fn person(&self) -> Read<Person> {
        let mut person = Person::new(self.person_id("id")?);
        if self.object.contains_key("name") {
            person = person.named(self.string("name")?);
        }
        if self.object.contains_key("speaker") {
            let speaker = u8::try_from(self.number("speaker")?).ok().and_then(SpeakerId::new);
            person.speaker = Some(speaker.ok_or_else(|| self.invalid("speaker", "a number from 0 to 62"))?);
        }
        if self.object.contains_key("avatar") {
            const ADDRESS: &str = "an https address of at most 256 bytes";
            let avatar = Avatar::new(self.string("avatar")?).ok_or_else(|| self.invalid("avatar", ADDRESS))?;
            person.avatar = Some(avatar);
        }
        Ok(person)
    }

    /// For whom voice is taken in.
    pub(super) fn audience(&self) -> Read<Audience> {
        self.present("listening")?;
        let audience = Audience {
            listening: self.flag("listening")?,
            bitrate: None,
        };
        if !self.object.contains_key("bitrate") {
            return Ok(audience);
        }
        let bitrate = self.number("bitrate")?;
        if !BITRATES.contains(&bitrate) {
            return Err(self.invalid("bitrate", "a number from 6000 to 510000"));
        }
        Ok(audience.within(bitrate))
    }

    /// A text for people: may be absent, and is cut where it is too long.
    pub(super) fn text(&self) -> Read<String> {
        if !self.object.contains_key("text") {
            return Ok(String::new());
        }
        let mut text = self.string("text")?.to_owned();
        cut(&mut text, MAX_TEXT);
        Ok(text)
    }

    /// A whole number of seconds; none where the field is absent.
    pub(super) fn seconds(&self, name: &str) -> Read<Option<Duration>> {
        if !self.object.contains_key(name) {
            return Ok(None);
        }
        let seconds = self.number(name)?;
        Ok(Some(Duration::from_secs(seconds.into())))
    }

    /// The channel id and the epoch.
    pub(super) fn channel(&self) -> Read<Channel> {
        let id = ChannelId::parse(self.string("channel_id")?)
            .ok_or_else(|| self.invalid("channel_id", "16 lower-case hexadecimal digits"))?;
        let epoch = self.number("epoch")?;
        if epoch == 0 {
            return Err(self.invalid("epoch", "1 or more"));
        }
        Ok(Channel { id, epoch })
    }

    /// The channel where one is named; a part of it alone is an error.
    pub(super) fn optional_channel(&self) -> Read<Option<Channel>> {
        if self.object.contains_key("channel_id") || self.object.contains_key("epoch") {
            return self.channel().map(Some);
        }
        Ok(None)
    }

    /// The epoch that the next one must be above; 0 where the field is absent.
    pub(super) fn after_epoch(&self) -> Read<u32> {
        if self.object.contains_key("after_epoch") {
            self.number("after_epoch")
        } else {
            Ok(0)
        }
    }

    /// An IP address and a port to which packets can be sent.
    pub(super) fn address(&self) -> Read<SocketAddr> {
        const ADDRESS: &str = "the IP address of one host";
        let ip: IpAddr = self
            .string("address")?
            .parse()
            .map_err(|_not_an_address| self.invalid("address", ADDRESS))?;
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            return Err(self.invalid("address", ADDRESS));
        }
        match u16::try_from(self.number("port")?) {
            Ok(port) if port > 0 => Ok(SocketAddr::new(ip, port)),
            _ => Err(self.invalid("port", "a number from 1 to 65535")),
        }
    }

    /// A key share.
    pub(super) fn share(&self) -> Read<KeyShare> {
        KeyShare::parse(self.string("share")?).ok_or_else(|| self.invalid("share", "the unpadded base64 of 32 bytes"))
    }

    /// A text for people, cut where it is too long; none where it is left out.
    pub(super) fn label(&self, name: &str) -> Read<Option<String>> {
        if !self.object.contains_key(name) {
            return Ok(None);
        }
        let mut label = self.string(name)?.to_owned();
        cut(&mut label, MAX_TEXT);
        Ok(Some(label))
    }

    /// A flag, which is down where it is left out.
    pub(super) fn flag(&self, name: &str) -> Read<bool> {
        match self.object.get(name) {
            None => Ok(false),
            Some(flag) => flag.as_bool().ok_or_else(|| self.wrong_type(name, "true or false")),
        }
    }

    /// A moment, in milliseconds since 1970.
    pub(super) fn moment(&self, name: &str) -> Read<u64> {
        let moment = self.present(name)?.as_u64();
        moment.ok_or_else(|| self.wrong_type(name, "a whole number"))
    }

    /// A person's id.
    pub(super) fn person_id(&self, name: &str) -> Read<PersonId> {
        PersonId::new(self.string(name)?).ok_or_else(|| self.invalid(name, CODE))
    }

    pub(super) fn string(&self, name: &str) -> Read<&'a str> {
        self.present(name)?
            .as_str()
            .ok_or_else(|| self.wrong_type(name, "a string"))
    }

    fn number(&self, name: &str) -> Read<u32> {
        let number = self.present(name)?;
        let whole = number.as_u64().ok_or_else(|| self.wrong_type(name, "a whole number"))?;
        u32::try_from(whole).map_err(|_too_large| self.invalid(name, "a number below 2^32"))
    }

    fn present(&self, name: &str) -> Read<&'a Value> {
        self.object
            .get(name)
            .ok_or_else(|| Problem::Missing { path: self.path(name) })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn wrong_type(&self, name: &str, expected: &'static str) -> Problem {
        Problem::WrongType {
            path: self.path(name),
            expected,
        }
    }

    fn invalid(&self, name: &str, expected: &'static str) -> Problem {
        Problem::Invalid {
            path: self.path(name),
            expected,
        }
    }
}

const CODE: &str = "a name of 1 to 64 bytes of visible ASCII";

pub(super) fn is_code(code: &str) -> bool {
    (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
}

fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}
