//! Speech that comes while it is said: a small buffer between a page's microphone and the 20 ms clock.

use std::{collections::VecDeque, sync::Arc};

/// Frames that are gathered before the first one leaves, since browsers hand them over in bursts.
const FIRST: usize = 3;
/// Frames that may wait, 300 ms; what is older is given up, so that delay never grows.
const MOST: usize = 15;

/// One person's live speech.
#[derive(Debug, Default)]
pub(super) struct Live {
    frames: VecDeque<Arc<[u8]>>,
    flowing: bool,
    /// Ticks since the first frame that waits came.
    waited: usize,
}

impl Live {
    /// Takes the next frame; false when an older one had to give way.
    pub(super) fn push(&mut self, opus: Arc<[u8]>) -> bool {
        let fits = self.frames.len() < MOST;
        if !fits {
            self.frames.pop_front();
        }
        self.frames.push_back(opus);
        fits
    }

    /// The frame that is due now.
    pub(super) fn take(&mut self) -> Option<Arc<[u8]>> {
        if !self.flowing && !self.frames.is_empty() {
            self.waited += 1;
            // A few last words that never fill the buffer are said, too.
            self.flowing = self.frames.len() >= FIRST || self.waited > FIRST;
        }
        if !self.flowing {
            return None;
        }
        let frame = self.frames.pop_front();
        if frame.is_none() {
            self.flowing = false;
            self.waited = 0;
        }
        frame
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u8) -> Arc<[u8]> {
        Arc::from([number].as_slice())
    }

    fn taken(live: &mut Live, ticks: usize) -> Vec<Option<u8>> {
        (0..ticks)
            .map(|_| live.take().and_then(|frame| frame.first().copied()))
            .collect()
    }

    #[test]
    fn bursts_leave_one_a_tick_once_enough_are_there() {
        let mut live = Live::default();
        live.push(frame(1));
        live.push(frame(2));
        assert_eq!(taken(&mut live, 1), [None]);
        live.push(frame(3));
        assert_eq!(taken(&mut live, 4), [Some(1), Some(2), Some(3), None]);
        live.push(frame(4));
        assert_eq!(taken(&mut live, 1), [None], "after a pause it gathers again");
    }

    #[test]
    fn a_few_last_frames_are_said_all_the_same() {
        let mut live = Live::default();
        live.push(frame(1));
        assert_eq!(taken(&mut live, 5), [None, None, None, Some(1), None]);
        assert!(live.is_empty());
    }

    #[test]
    fn the_oldest_give_way_when_too_many_come() {
        let mut live = Live::default();
        let fitted = (0..20).filter(|n| live.push(frame(*n))).count();
        assert_eq!(fitted, MOST);
        assert_eq!(taken(&mut live, 16).first(), Some(&Some(5)));
        assert!(live.is_empty());
    }
}
