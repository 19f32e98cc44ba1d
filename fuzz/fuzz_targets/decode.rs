//! No datagram panics the decoder, and what it accepts is written again as the same packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vdp_proto::{MAX_DATAGRAM, Packet};

fuzz_target!(|datagram: &[u8]| {
    if let Ok(packet) = Packet::decode(datagram) {
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).expect("what was read can be written");
        // Voice that came as a short string gets a header that is one byte longer.
        assert!(length <= datagram.len() + 1, "it is written in the shortest form");
        assert_eq!(Packet::decode(&buffer[..length]), Ok(packet));
    }
});
