//! Which id stands for whom in the packets of a channel.

use std::time::{Duration, Instant};

use bridge_kit::channel::SpeakerId;

use crate::gateway::facts::UserId;

/// How long nobody else gets the id of somebody who has left: until then his last packets have arrived, and the other
/// side has learnt that he is gone.
const KEPT: Duration = Duration::from_mins(1);

const IDS: usize = SpeakerId::COUNT as usize;

/// The speaker ids of one voice channel. An id stays with its user, and goes to another only when none is free.
#[derive(Debug)]
pub(crate) struct SpeakerIds {
    holders: [Option<Holder>; IDS],
}

#[derive(Debug, Clone, Copy)]
struct Holder {
    user: UserId,
    /// Since when he is not in the voice channel any more.
    gone: Option<Instant>,
}

impl Default for SpeakerIds {
    fn default() -> Self {
        Self { holders: [None; IDS] }
    }
}

impl SpeakerIds {
    /// The id of somebody, given to him if he has none; none where all are taken.
    pub(crate) fn of(&mut self, user: UserId, now: Instant) -> Option<SpeakerId> {
        let place = self.place_of(user).or_else(|| self.free_place(now))?;
        let holder = self.holders.get_mut(place)?;
        *holder = Some(Holder { user, gone: None });
        SpeakerId::new(u8::try_from(place).ok()?)
    }

    /// These are in the voice channel now, and nobody else.
    pub(crate) fn meet(&mut self, there: &[UserId], now: Instant) {
        for holder in self.holders.iter_mut().flatten() {
            let gone = holder.gone.unwrap_or(now);
            holder.gone = (!there.contains(&holder.user)).then_some(gone);
        }
    }

    fn place_of(&self, user: UserId) -> Option<usize> {
        let mut holders = self.holders.iter();
        holders.position(|holder| holder.is_some_and(|holder| holder.user == user))
    }

    /// One that nobody ever had, else that of whoever has been gone the longest.
    fn free_place(&self, now: Instant) -> Option<usize> {
        let unused = self.holders.iter().position(Option::is_none);
        let left = self.holders.iter().enumerate().filter_map(|(place, holder)| {
            let gone = holder.as_ref()?.gone?;
            (now.saturating_duration_since(gone) >= KEPT).then_some((gone, place))
        });
        unused.or_else(|| left.min().map(|(_, place)| place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u64) -> UserId {
        UserId(number.try_into().expect("a user"))
    }

    fn number(ids: &mut SpeakerIds, of: u64, now: Instant) -> Option<u8> {
        ids.of(user(of), now).map(SpeakerId::number)
    }

    #[test]
    fn s11_an_id_stays_with_its_user() {
        let (mut ids, now) = (SpeakerIds::default(), Instant::now());
        assert_eq!(number(&mut ids, 100, now), Some(0));
        assert_eq!(number(&mut ids, 200, now), Some(1));
        ids.meet(&[user(200)], now);
        let later = now + KEPT * 10;
        assert_eq!(number(&mut ids, 300, later), Some(2), "one that nobody had");
        assert_eq!(number(&mut ids, 100, later), Some(0), "he is back");
    }

    #[test]
    fn s11_when_all_are_taken_whoever_left_first_gives_his_after_a_minute() {
        let (mut ids, now) = (SpeakerIds::default(), Instant::now());
        for of in 1..=63 {
            assert!(number(&mut ids, of, now).is_some());
        }
        assert_eq!(number(&mut ids, 64, now), None);
        let there: Vec<_> = (1..=63).filter(|of| *of != 7).map(user).collect();
        ids.meet(&there, now);
        let there: Vec<_> = (1..=63).filter(|of| ![3, 7].contains(of)).map(user).collect();
        ids.meet(&there, now + Duration::from_secs(1));
        assert_eq!(
            number(&mut ids, 64, now + KEPT.saturating_sub(Duration::from_secs(1))),
            None
        );
        assert_eq!(number(&mut ids, 64, now + KEPT * 2), Some(6));
        assert_eq!(number(&mut ids, 65, now + KEPT * 2), Some(2));
        assert_eq!(number(&mut ids, 66, now + KEPT * 2), None);
    }
}
