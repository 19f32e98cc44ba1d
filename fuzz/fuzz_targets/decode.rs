//! No datagram panics the decoder, and what it accepts is written again as the same packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vdp_proto::{MAX_DATAGRAM, Packet};

fuzz_target!(|datagram: &[u8]| {
    if let Ok(packet) = Packet::decode(datagram) {
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).expect("what was read can be written");
        assert!(
            length <= datagram.len(),
            "the shortest form is no longer than what was read"
        );
        assert_eq!(Packet::decode(&buffer[..length]), Ok(packet));
    }
});
