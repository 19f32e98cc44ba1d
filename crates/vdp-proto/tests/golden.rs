//! The golden vectors of `docs/vdp.md` hold for this crate.

use vdp_proto::{MAX_DATAGRAM, Packet};

const SPECIFICATION: &str = include_str!("../../../docs/vdp.md");

/// The rows of the table after a marker, each as its cells.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let marker = format!("<!-- vectors: {name} -->\n");
    let (_, after) = SPECIFICATION
        .split_once(&marker)
        .unwrap_or_else(|| panic!("{marker} is in docs/vdp.md"));
    let rows = after.trim_start().lines().take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split(" | ").map(str::trim).collect();
    rows.skip(2).map(cells).collect()
}

fn bytes(cell: &str) -> Vec<u8> {
    let digits = cell.trim_matches('`');
    assert!(digits.len().is_multiple_of(2), "{digits} has whole bytes");
    let pairs = (0..digits.len()).step_by(2).map(|start| &digits[start..start + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits"))
        .collect()
}

/// Calls `check` with what it is, the datagram and the packet of each row.
fn for_each_packet(name: &str, check: impl Fn(&str, &[u8], Packet<'_>)) {
    let rows = table(name);
    assert!(rows.len() >= 5, "the table {name} has rows");
    for row in rows {
        let [what, datagram, room, voice, index] = row[..] else {
            panic!("{row:?} has five cells");
        };
        let voice = bytes(voice);
        let index = index.parse().expect("an index");
        check(
            what,
            &bytes(datagram),
            Packet {
                room: room.trim_matches('`'),
                voice: &voice,
                index,
            },
        );
    }
}

#[test]
fn canonical_vectors_are_written_exactly_so_and_read() {
    for_each_packet("canonical", |what, datagram, packet| {
        assert_eq!(Packet::decode(datagram), Ok(packet), "{what}");
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], datagram, "{what}");
    });
}

#[test]
fn accepted_vectors_are_read_but_not_written_so() {
    for_each_packet("accepted", |what, datagram, packet| {
        assert_eq!(Packet::decode(datagram), Ok(packet), "{what}");
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).unwrap();
        assert_ne!(&buffer[..length], datagram, "{what}");
    });
}

#[test]
fn refused_vectors_are_refused_with_these_words() {
    let rows = table("refused");
    assert!(rows.len() >= 10);
    for row in rows {
        let [what, datagram, error] = row[..] else {
            panic!("{row:?} has three cells");
        };
        let found = Packet::decode(&bytes(datagram)).expect_err(what);
        assert_eq!(found.to_string(), error, "{what}");
    }
}
