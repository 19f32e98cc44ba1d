//! The TLS presentation language as MLS uses it (RFC 9420 §2.1), as far as messages are looked into here.

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message ends too early or has a length that may not be")]
pub(crate) struct Malformed;

/// Reads from the front of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A vector with its length in front.
    pub(crate) fn vector(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.length()?).map_err(|_| Malformed)?;
        let (vector, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(vector)
    }

    /// A length of one, two or four bytes; it may not be longer than it has to.
    fn length(&mut self) -> Result<u32, Malformed> {
        let first = *self.0.first().ok_or(Malformed)?;
        let (length, least) = match first >> 6 {
            0 => (u32::from(self.u8()?), 0),
            1 => (u32::from(self.u16()? & 0x3fff), 0x40),
            2 => (self.u32()? & 0x3fff_ffff, 0x4000),
            _ => return Err(Malformed),
        };
        (length >= least).then_some(length).ok_or(Malformed)
    }
}

/// Appends a vector with its length in front; what MLS cannot hold (a gigabyte) is cut to nothing.
pub(crate) fn write_vector(out: &mut Vec<u8>, bytes: &[u8]) {
    match (
        u8::try_from(bytes.len()),
        u16::try_from(bytes.len()),
        u32::try_from(bytes.len()),
    ) {
        (Ok(len @ ..0x40), ..) => out.push(len),
        (_, Ok(len @ ..0x4000), _) => out.extend_from_slice(&(len | 0x4000).to_be_bytes()),
        (.., Ok(len @ ..0x4000_0000)) => out.extend_from_slice(&(len | 0x8000_0000).to_be_bytes()),
        _ => return out.push(0),
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_length_are_read_back() {
        for len in [0, 1, 63, 64, 16_383, 16_384, 70_000] {
            let bytes = vec![7; len];
            let mut out = Vec::new();
            write_vector(&mut out, &bytes);
            out.push(1);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.vector().unwrap(), bytes);
            assert_eq!(reader.rest(), [1]);
        }
    }

    #[test]
    fn lengths_that_lie_or_are_too_long_are_refused() {
        for bytes in [
            &[2, 0][..],
            &[0x40, 0x3f],
            &[0x80, 0, 0x3f, 0xff],
            &[0xc0],
            &[0x41],
            &[],
        ] {
            assert_eq!(Reader::new(bytes).vector(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[1]).u16(), Err(Malformed));
    }
}
