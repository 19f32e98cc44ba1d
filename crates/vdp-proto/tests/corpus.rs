//! Replays the committed corpus of the fuzz target `decode`, so that what it once found stays found.

use vdp_proto::{MAX_DATAGRAM, Packet};

#[test]
fn every_input_of_the_corpus_is_decoded_without_panic_and_written_again_as_it_was() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/decode");
    let mut accepted = 0;
    let mut refused = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let datagram = std::fs::read(entry.unwrap().path()).unwrap();
        let Ok(packet) = Packet::decode(&datagram) else {
            refused += 1;
            continue;
        };
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).unwrap();
        assert_eq!(Packet::decode(&buffer[..length]), Ok(packet));
        accepted += 1;
    }
    assert!(
        accepted > 10 && refused > 10,
        "the corpus has both: {accepted} accepted, {refused} refused"
    );
}
