//! How far this machine's clock is from the homeserver's, by the `Date` of its answers.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Finding;

/// How far apart the clocks may be, in seconds. Memberships of MatrixRTC calls and tokens for SFUs end by the clock.
const TOLERANCE: i64 = 5;

/// By how many seconds, to within one, this machine's clock is ahead of the homeserver's; negative where it is behind. The
/// question was asked at `asked` and answered at `answered`, and `date` has whole seconds only.
pub(super) fn skew(asked: SystemTime, answered: SystemTime, date: &str) -> Option<i64> {
    let theirs = seconds_of(date)?;
    let (asked, answered) = (seconds(asked)?, seconds(answered)?);
    // Their clock showed something within this second at some moment between question and answer.
    Some(if asked > theirs {
        asked - theirs
    } else {
        (answered - theirs).min(0)
    })
}

/// What the skew says.
pub(super) fn finding(skew: Option<i64>) -> Finding {
    let Some(skew) = skew else {
        return Finding::note(
            "the homeserver's answers have no date, so the clocks could not be compared",
            "see that both machines keep their time by NTP",
        );
    };
    if skew.abs() <= TOLERANCE {
        return Finding::fine("the clock agrees with the homeserver's");
    }
    let side = if skew > 0 { "ahead of" } else { "behind" };
    Finding::fault(
        format!("the clock of this machine is {} s {side} the homeserver's", skew.abs()),
        "keep the time of both by NTP (`timedatectl set-ntp true`); by it people's places in calls and tokens end",
    )
}

fn seconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Seconds since 1970 of a date as HTTP has it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of(date: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<&str> = date.split_ascii_whitespace().collect();
    let [_weekday, day, month, year, time, "GMT"] = words.as_slice() else {
        return None;
    };
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = i64::try_from(MONTHS.iter().position(|name| name == month)?).ok()? + 1;
    let year: i64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let clock: Vec<i64> = time.split(':').map_while(|part| part.parse().ok()).collect();
    let &[hours, minutes, seconds] = clock.as_slice() else {
        return None;
    };
    let sound = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    sound.then(|| days(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Days from 1 January 1970 to a day of the Gregorian calendar. Years are counted from March, so that the day that not every
/// year has is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    let within = (month * 306 + 5) / 10 + day - 1;
    before + within - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_read() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Fri, 01 Mar 2024 00:00:00 GMT", Some(1_709_251_200)),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("", None),
        ] {
            assert_eq!(seconds_of(date), seconds, "{date}");
        }
    }

    /// A slow answer is no skew, nor is the part of a second that the date leaves out.
    #[test]
    fn only_what_is_certain_counts_as_skew() {
        let at = |seconds: f64| UNIX_EPOCH + Duration::from_secs_f64(seconds);
        let date = "Thu, 01 Jan 1970 00:01:40 GMT";
        for (asked, answered, expected) in [
            (100.2, 100.9, 0),
            (97.0, 103.0, 0),
            (100.9, 101.3, 0),
            (110.0, 110.5, 10),
            (80.0, 81.5, -19),
        ] {
            assert_eq!(
                skew(at(asked), at(answered), date),
                Some(expected),
                "{asked} {answered}"
            );
        }
        assert!(!finding(Some(TOLERANCE)).is_fault());
        assert!(finding(Some(-TOLERANCE - 1)).what.contains("6 s behind"));
    }
}
