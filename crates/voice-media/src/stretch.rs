//! Makes a little more or less of speech, a pitch period or so at a time, without changing its pitch.

/// The shortest and the longest piece that is cut out or put in, in samples of one channel: 2.5 and 15 ms, which hold a
/// period of every voice.
pub(crate) const SHORTEST: usize = 120;
pub(crate) const LONGEST: usize = 720;

/// Samples over which one piece is blended into another: 5 ms.
const BLEND: usize = 240;

/// How finely a place is looked for at first, in samples: speech has nothing to say above 6 kHz.
const COARSE: usize = 4;

/// Cuts a piece of at most `most` samples out of interleaved stereo, where that is heard least. Returns how many are gone:
/// none where there is too little to cut from.
pub(crate) fn shorten(pcm: &mut Vec<f32>, most: usize) -> usize {
    let length = pcm.len() / 2;
    let longest = most.min(LONGEST).min(length.saturating_sub(BLEND));
    if longest < SHORTEST {
        return 0;
    }
    let piece = best_period(pcm, longest);
    // The beginning fades into what follows the piece.
    for (position, share) in (0..BLEND).zip(shares()) {
        for channel in [0, 1] {
            let (from, to) = (at(pcm, position, channel), at(pcm, position + piece, channel));
            if let Some(sample) = pcm.get_mut(position * 2 + channel) {
                *sample = from + (to - from) * share;
            }
        }
    }
    pcm.drain(BLEND * 2..(BLEND + piece) * 2);
    piece
}

/// Repeats a piece of interleaved stereo where that is heard least. Returns how many samples there are more: none where there
/// is too little to repeat.
pub(crate) fn lengthen(pcm: &mut Vec<f32>) -> usize {
    let length = pcm.len() / 2;
    let longest = LONGEST.min(length.saturating_sub(BLEND));
    if longest < SHORTEST {
        return 0;
    }
    let piece = best_period(pcm, longest);
    // After the piece, what follows it fades into the beginning, which is then heard again.
    let mut blend = [0.0; BLEND * 2];
    for ((position, share), pair) in (0..BLEND).zip(shares()).zip(blend.chunks_exact_mut(2)) {
        for (channel, sample) in pair.iter_mut().enumerate() {
            let (from, to) = (at(pcm, position + piece, channel), at(pcm, position, channel));
            *sample = from + (to - from) * share;
        }
    }
    pcm.resize((length + piece) * 2, 0.0);
    pcm.copy_within(BLEND * 2..length * 2, (piece + BLEND) * 2);
    if let Some(place) = pcm.get_mut(piece * 2..(piece + BLEND) * 2) {
        place.copy_from_slice(&blend);
    }
    piece
}

/// How much of the second of two pieces is heard at each sample of the blend.
fn shares() -> impl Iterator<Item = f32> {
    let length = f32::from(u16::try_from(BLEND).unwrap_or(u16::MAX));
    (0_u16..).map(move |position| (f32::from(position) + 0.5) / length)
}

/// By how many samples the beginning is most like what comes later.
fn best_period(pcm: &[f32], longest: usize) -> usize {
    let coarse = best(pcm, (SHORTEST..=longest).step_by(COARSE), COARSE);
    let near = coarse.saturating_sub(COARSE).max(SHORTEST)..=(coarse + COARSE).min(longest);
    best(pcm, near, 1)
}

fn best(pcm: &[f32], lags: impl Iterator<Item = usize>, step: usize) -> usize {
    let alike = lags.map(|lag| (lag, likeness(pcm, lag, step)));
    alike
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map_or(SHORTEST, |(lag, _)| lag)
}

/// Normalised cross-correlation of the blend's samples with those `lag` later, both channels together.
fn likeness(pcm: &[f32], lag: usize, step: usize) -> f32 {
    let (mut cross, mut energy) = (0.0_f32, 1e-9_f32);
    for position in (0..BLEND).step_by(step) {
        let first = at(pcm, position, 0) + at(pcm, position, 1);
        let later = at(pcm, position + lag, 0) + at(pcm, position + lag, 1);
        cross += first * later;
        energy += later * later;
    }
    cross / energy.sqrt()
}

fn at(pcm: &[f32], position: usize, channel: usize) -> f32 {
    pcm.get(position * 2 + channel).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of this many samples a period, in both channels.
    fn tone(period: f32, samples: u16) -> Vec<f32> {
        let sample = |position: u16| (std::f32::consts::TAU * f32::from(position) / period).sin() * 0.5;
        (0..samples).flat_map(|position| [sample(position); 2]).collect()
    }

    fn largest_step(pcm: &[f32]) -> f32 {
        let steps = pcm.windows(3).map(|pair| (pair[2] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }

    fn power(pcm: &[f32]) -> f32 {
        pcm.iter().map(|sample| sample * sample).sum::<f32>() / pcm.iter().map(|_| 1.0).sum::<f32>()
    }

    #[test]
    fn a_tone_gets_shorter_and_longer_without_a_step() {
        for period in [96.0, 137.0, 240.0, 480.0] {
            for change in [|pcm: &mut Vec<f32>| shorten(pcm, 900), lengthen] {
                let mut pcm = tone(period, 1_920);
                let (before, length) = (pcm.clone(), pcm.len());
                let changed = change(&mut pcm);
                assert!((SHORTEST..=LONGEST).contains(&changed), "{changed} samples");
                assert_eq!(pcm.len().abs_diff(length), changed * 2);
                assert!(
                    largest_step(&pcm) < largest_step(&before) * 1.05,
                    "a period of {period}"
                );
                let loudness = power(&pcm) / power(&before);
                assert!((0.9..1.1).contains(&loudness), "a period of {period}: {loudness}");
            }
        }
    }

    #[test]
    fn no_more_is_cut_than_may_be() {
        let mut pcm = tone(240.0, 1_920);
        assert_eq!(shorten(&mut pcm, SHORTEST - 1), 0);
        assert_eq!(shorten(&mut pcm, SHORTEST), SHORTEST);
        let mut short = tone(240.0, 300);
        assert_eq!((shorten(&mut short, 900), lengthen(&mut short)), (0, 0));
    }
}
