//! Reads the packets that there are: a short map of the three keys alone, in any order, with lengths and integers in the
//! forms that encoders choose. What is of another kind, or wrong, it leaves to [`super::any`].

use super::Parts;

/// Reads a datagram; `None` if it is of another kind.
pub(super) fn read(datagram: &[u8]) -> Option<Parts<'_>> {
    let (room, voice, index) = read_in_our_order(datagram).or_else(|| read_in_any_order(datagram))?;
    Some(Parts {
        // Looked at last, since it is half of the work and most of what is of another kind shows before.
        room: Some(std::str::from_utf8(room).ok()?),
        voice: Some(voice),
        index: Some(index),
    })
}

type Values<'a> = (&'a [u8], &'a [u8], u64);

/// Reads what our own bridges write: so no key has to be looked up.
fn read_in_our_order(datagram: &[u8]) -> Option<Values<'_>> {
    let mut rest = Rest(datagram);
    rest.expect([0x83, 0xa1, b'r'])?;
    let room = rest.string()?;
    rest.expect([0xa1, b'd'])?;
    let voice = rest.binary()?;
    rest.expect([0xa1, b'i'])?;
    let index = rest.unsigned()?;
    rest.0.is_empty().then_some((room, voice, index))
}

#[inline(never)]
fn read_in_any_order(datagram: &[u8]) -> Option<Values<'_>> {
    let mut rest = Rest(datagram);
    rest.expect([0x83])?;
    let (mut room, mut voice, mut index) = (None, None, None);
    for _ in 0..3 {
        let [0xa1, key] = rest.array()? else {
            return None;
        };
        // One that is there twice leaves another one missing.
        match key {
            b'r' => room = Some(rest.string()?),
            b'd' => voice = Some(rest.binary()?),
            b'i' => index = Some(rest.unsigned()?),
            _ => return None,
        }
    }
    rest.0.is_empty().then_some((room?, voice?, index?))
}

/// What is left to be read.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn expect<const N: usize>(&mut self, expected: [u8; N]) -> Option<()> {
        (self.array()? == expected).then_some(())
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            short @ 0xa0..=0xbf => short & 0x1f,
            0xd9 => self.byte()?,
            _ => return None,
        };
        self.bytes(length.into())
    }

    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            0xc4 => self.byte()?.into(),
            0xc5 => u16::from_be_bytes(self.array()?).into(),
            _ => return None,
        };
        self.bytes(length)
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        Some(match self.byte()? {
            small @ 0..=0x7f => small.into(),
            0xcc => self.byte()?.into(),
            0xcd => u16::from_be_bytes(self.array()?).into(),
            0xce => u32::from_be_bytes(self.array()?).into(),
            0xcf => u64::from_be_bytes(self.array()?),
            _ => return None,
        })
    }
}
