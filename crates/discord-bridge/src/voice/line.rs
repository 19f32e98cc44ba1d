//! The line to a voice server: lost at times, and often back by itself.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::event::Loss;

/// How long the line may take to come back after somebody took the bot out of the channel, as far as the voice server says.
///
/// Discord closes a line in the same way when it sends the bot to another voice server, to which the driver then goes by
/// itself. If it was a removal, the gateway tells of it within this time.
const MOVE_WAIT: Duration = Duration::from_secs(1);

/// How the driver's line to a voice server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is there, or the driver is bringing it back.
    Up,
    /// It is lost, and the driver does nothing more about it unless the gateway names another voice server.
    Down(Loss),
}

/// Makes a line that stands.
pub(crate) fn line() -> (watch::Sender<Line>, LineWatch) {
    let (sender, state) = watch::channel(Line::Up);
    let watch = LineWatch {
        state,
        move_wait: MOVE_WAIT,
    };
    (sender, watch)
}

/// Tells when a line is lost.
#[derive(Debug)]
pub(crate) struct LineWatch {
    state: watch::Receiver<Line>,
    move_wait: Duration,
}

impl LineWatch {
    /// Waits until the line is lost and does not come back by itself.
    pub(crate) async fn lost(&mut self) -> Loss {
        loop {
            let loss = self.down().await;
            if !loss.is_removal() || timeout(self.move_wait, self.up()).await.is_err() {
                return loss;
            }
        }
    }

    async fn down(&mut self) -> Loss {
        loop {
            if let Line::Down(loss) = *self.state.borrow_and_update() {
                return loss;
            }
            self.changed().await;
        }
    }

    async fn up(&mut self) {
        while *self.state.borrow_and_update() != Line::Up {
            self.changed().await;
        }
    }

    /// Whoever could change the line may be gone, and then never will.
    async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVED: Line = Line::Down(Loss::Closed(4014));
    const AGES: Duration = Duration::from_hours(1);
    const MOMENT: Duration = Duration::from_millis(20);

    fn line_that_waits(move_wait: Duration) -> (watch::Sender<Line>, LineWatch) {
        let (sender, watch) = line();
        (sender, LineWatch { move_wait, ..watch })
    }

    #[tokio::test]
    async fn a_line_that_ends_for_good_is_lost_without_a_wait() {
        let (state, mut line) = line_that_waits(AGES);
        state.send_replace(Line::Down(Loss::Closed(4006)));
        assert_eq!(timeout(AGES / 2, line.lost()).await, Ok(Loss::Closed(4006)));
    }

    #[tokio::test]
    async fn a_line_that_does_not_come_back_from_a_move_is_lost() {
        let (state, mut line) = line_that_waits(MOMENT);
        state.send_replace(MOVED);
        assert_eq!(timeout(AGES, line.lost()).await, Ok(Loss::Closed(4014)));
    }

    /// S10: a move of the voice server looks like a removal at first.
    #[tokio::test]
    async fn a_line_that_comes_back_is_not_lost() {
        let (state, mut line) = line_that_waits(AGES);
        for _ in 0..3 {
            state.send_replace(MOVED);
            assert!(timeout(MOMENT, line.lost()).await.is_err(), "while it is away");
            state.send_replace(Line::Up);
            assert!(timeout(MOMENT, line.lost()).await.is_err(), "when it is back");
        }
    }

    #[tokio::test]
    async fn a_line_that_nobody_can_lose_any_more_is_not_lost() {
        let (state, mut line) = line_that_waits(MOMENT);
        drop(state);
        assert!(timeout(MOMENT, line.lost()).await.is_err());
    }
}
