//! A word beside the voice: a data channel on which only the last message counts.

use str0m::Rtc;
use str0m::channel::ChannelId;

/// What LiveKit calls the channel whose messages arrive.
pub(super) const LABEL: &str = "_reliable";

/// The channel, once it is open, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    channel: Option<ChannelId>,
    waiting: Option<Vec<u8>>,
}

impl Notes {
    /// Sends a message, in place of one that waits.
    pub(super) fn send(&mut self, rtc: &mut Rtc, message: Vec<u8>) {
        self.waiting = Some(message);
        self.flush(rtc);
    }

    pub(super) fn opened(&mut self, rtc: &mut Rtc, channel: ChannelId) {
        self.channel = Some(channel);
        self.flush(rtc);
    }

    pub(super) fn closed(&mut self) {
        self.channel = None;
    }

    fn flush(&mut self, rtc: &mut Rtc) {
        let Some(mut channel) = self.channel.and_then(|channel| rtc.channel(channel)) else {
            return;
        };
        // A channel that is full takes the next message, which is all that counts.
        self.waiting = self
            .waiting
            .take()
            .filter(|message| !matches!(channel.write(true, message), Ok(true)));
    }
}
