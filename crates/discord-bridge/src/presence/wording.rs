//! What a room is told of who comes into its voice channel and leaves it.

use std::collections::BTreeMap;

use crate::gateway::facts::UserId;

/// Names that are listed; of more it is told how many they are.
const NAMED: usize = 3;

/// The longest name that is shown, in characters.
const LONGEST: usize = 64;

/// Who is in a voice channel, and what they are called.
pub(super) type Crowd = BTreeMap<UserId, String>;

/// Says in one sentence who has come and who has left; nothing where it comes to nothing.
pub(super) fn changes(before: &Crowd, now: &Crowd) -> Option<String> {
    let joined = part("joined", now, before);
    let left = part("left", before, now);
    let parts: Vec<String> = joined.into_iter().chain(left).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Who is in one crowd and not in the other.
fn part(verb: &str, crowd: &Crowd, other: &Crowd) -> Option<String> {
    let names: Vec<String> = crowd
        .iter()
        .filter(|(user, _)| !other.contains_key(user))
        .map(|(_, name)| shown(name))
        .collect();
    let names = match names.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [most @ .., last] if names.len() <= NAMED => format!("{} and {last}", most.join(", ")),
        more => {
            let (listed, rest) = more.split_at(NAMED);
            let others = if rest.len() == 1 { "other" } else { "others" };
            format!("{} and {} {others}", listed.join(", "), rest.len())
        }
    };
    Some(format!("{names} {verb} voice on Discord"))
}

/// A name in one line and of bearable length. A notice is plain text, so nothing in it is interpreted.
fn shown(name: &str) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let mut shown: String = name.chars().take(LONGEST).map(plain).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn crowd(names: &[&str]) -> Crowd {
        let id = |name: &str| UserId(NonZeroU64::new(name.bytes().map(u64::from).sum()).unwrap());
        names.iter().map(|name| (id(name), (*name).to_owned())).collect()
    }

    #[test]
    fn who_came_and_who_left_is_said_in_one_sentence() {
        let says = |before: &[&str], now: &[&str]| changes(&crowd(before), &crowd(now)).unwrap_or_default();
        assert_eq!(says(&[], &["Ada"]), "Ada joined voice on Discord");
        assert_eq!(says(&["Ada"], &[]), "Ada left voice on Discord");
        assert_eq!(says(&["Ada"], &["Ada"]), "");
        assert_eq!(
            says(&["Ada"], &["Bob", "Cyd"]),
            "Bob and Cyd joined voice on Discord; Ada left voice on Discord"
        );
        let many = ["a", "b", "c", "d", "e"];
        assert_eq!(says(&[], &many), "a, b, c and 2 others joined voice on Discord");
        assert_eq!(says(&[], &many[..4]), "a, b, c and 1 other joined voice on Discord");
        assert_eq!(says(&[], &many[..3]), "a, b and c joined voice on Discord");
    }

    #[test]
    fn a_name_is_one_line_of_bearable_length() {
        assert_eq!(shown("one\ntwo"), "one two");
        assert_eq!(shown(&"n".repeat(500)).chars().count(), LONGEST + 1);
    }
}
