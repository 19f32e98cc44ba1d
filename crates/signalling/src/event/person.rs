//! Who is on the answering side.

use super::PersonId;

/// The longest name of a person, in bytes; what is longer is cut, since it is only shown.
pub const MAX_NAME: usize = 128;

/// The longest address of a picture, in bytes.
pub const MAX_AVATAR: usize = 256;

/// Somebody in the voice channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    /// Who it is.
    pub id: PersonId,
    /// By which his voice is marked, where the channel's packets mark voices.
    pub speaker: Option<SpeakerId>,
    /// What people there call him.
    pub name: Option<String>,
    /// Where his picture is to be had.
    pub avatar: Option<Avatar>,
}

impl Person {
    /// Somebody of whom nothing but the id is known.
    pub const fn new(id: PersonId) -> Self {
        Self {
            id,
            speaker: None,
            name: None,
            avatar: None,
        }
    }

    /// The same person under a name, of which what is too long is cut and what cannot be shown is left out; none is left
    /// where that is all.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let mut name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        name.truncate(name.floor_char_boundary(MAX_NAME));
        Self {
            name: Some(name).filter(|name| !name.is_empty()),
            ..self
        }
    }
}

/// Stands for a speaker in the packets of a channel (VDP's `s`): 0 to 62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpeakerId(u8);

impl SpeakerId {
    /// How many there are.
    pub const COUNT: u8 = 63;

    /// Takes a number; none where it is none of these ids.
    pub const fn new(id: u8) -> Option<Self> {
        if id < Self::COUNT { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The bit that stands for it in a packet.
    pub const fn bit(self) -> u64 {
        1 << self.0
    }
}

/// The address of a picture: `https`, at most [`MAX_AVATAR`] bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Avatar(String);

impl Avatar {
    /// Takes an address; none where it cannot be one.
    pub fn new(address: impl Into<String>) -> Option<Self> {
        let address = address.into();
        let fits = address.len() <= MAX_AVATAR && address.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && address.starts_with("https://")).then_some(Self(address))
    }

    /// The address as it stands in events.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
