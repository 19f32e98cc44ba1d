//! The thread that receives voice. A thread of its own, so that stamps do not wait for a busy runtime.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Voice, forward::LARGEST, server::VoiceServer};

/// How often the thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// Receives for `server` until it is retired or `stop` is set.
pub(crate) fn spawn(voice: Arc<Voice>, server: Arc<VoiceServer>, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    server.socket().set_read_timeout(Some(POLL))?;
    std::thread::Builder::new().name("voice-udp".to_owned()).spawn(move || {
        let mut buffer = [0_u8; LARGEST];
        while !stop.load(Ordering::Relaxed) && !server.retired().is_cancelled() {
            // An error is a time-out, or an ICMP message about a client that is gone: neither matters here.
            if let Ok((len, from)) = server.socket().recv_from(&mut buffer) {
                voice.handle_datagram(&server, buffer.get(..len).unwrap_or_default(), from);
            }
        }
    })
}
