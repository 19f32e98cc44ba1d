//! What two doctors send each other on the bridges' VDP ports: a question with a number, and the answer with the same.
//!
//! Neither is a packet of VDP; a bridge that gets one drops it as garbage.

/// What all of them begin with.
const MARK: &[u8; 7] = b"doctor?";

/// The length of a datagram. An answer is as long as its question, so that nobody gains by having it sent to somebody else.
pub(super) const LENGTH: usize = MARK.len() + 1 + 16;

/// A datagram between doctors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// Is somebody there?
    Question([u8; 16]),
    /// Yes, who asked so.
    Answer([u8; 16]),
}

impl Probe {
    pub(super) fn write(self) -> [u8; LENGTH] {
        let (kind, number) = match self {
            Self::Question(number) => (b'q', number),
            Self::Answer(number) => (b'a', number),
        };
        let mut datagram = [0; LENGTH];
        let (mark, rest) = datagram.split_at_mut(MARK.len());
        mark.copy_from_slice(MARK);
        if let Some((first, last)) = rest.split_first_mut() {
            *first = kind;
            last.copy_from_slice(&number);
        }
        datagram
    }

    pub(super) fn read(datagram: &[u8]) -> Option<Self> {
        let (kind, number) = datagram.strip_prefix(MARK)?.split_first()?;
        let number = number.try_into().ok()?;
        match kind {
            b'q' => Some(Self::Question(number)),
            b'a' => Some(Self::Answer(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for probe in [Probe::Question([7; 16]), Probe::Answer([0; 16])] {
            let datagram = probe.write();
            assert_eq!(Probe::read(&datagram), Some(probe));
            for length in 0..LENGTH {
                assert_eq!(Probe::read(&datagram[..length]), None);
            }
            assert_eq!(Probe::read(&[&datagram[..], &[0]].concat()), None);
        }
        assert_eq!(Probe::read(&[b'x'; LENGTH]), None);
    }

    /// The doctor's datagrams must not be taken for voice.
    #[test]
    fn it_is_no_packet_of_vdp() {
        let datagram = Probe::Question([0x80; 16]).write();
        assert!(vdp_proto::Packet::decode(&datagram).is_err());
    }
}
