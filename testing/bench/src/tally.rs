//! Listeners that count what they hear, and keep what one room hears.

use crate::ground::{Arrival, Listener};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the packets of a party in all rooms.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// Packets so far.
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A listener that counts, and keeps what it hears in the first room.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many packets came, in all rooms.
    pub count: Count,
    /// What came in the first room, by its number.
    pub first_room: BTreeMap<u64, Vec<u8>>,
    numbers: Numbers,
}

impl Listener for Tally {
    fn hear(&mut self, arrival: &Arrival<'_>) {
        let voice = arrival.voice;
        if voice.opus.is_empty() {
            return;
        }
        self.count.0.fetch_add(1, Ordering::Relaxed);
        if voice.room == 0 {
            let number = self.numbers.extend(voice.sequence);
            self.first_room.insert(number, voice.opus.to_vec());
        }
    }
}

/// Makes numbers of 16 bits into ones that never begin anew.
#[derive(Debug, Default)]
pub struct Numbers {
    last: Option<u64>,
}

impl Numbers {
    /// The number that ends in these 16 bits and is closest to the last one.
    pub fn extend(&mut self, number: u64) -> u64 {
        const TURN: u64 = 1 << 16;
        const HALF: u64 = TURN / 2;
        // Far enough from zero that what comes before the first one has a number too.
        let last = self.last.unwrap_or(TURN + number % TURN);
        let ahead = (number.wrapping_sub(last) + HALF) % TURN;
        let extended = last + ahead - HALF;
        self.last = Some(extended);
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_where_they_begin_anew() {
        let mut numbers = Numbers::default();
        let extended: Vec<u64> = [65_534, 65_535, 1, 0, 2].map(|number| numbers.extend(number)).into();
        let first = extended[0];
        let since: Vec<i64> = extended
            .iter()
            .map(|number| number.cast_signed() - first.cast_signed())
            .collect();
        assert_eq!(since, [0, 1, 3, 2, 4]);
    }
}
