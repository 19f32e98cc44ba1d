//! Patterns for user ids.

use ruma::UserId;
use serde::{Deserialize, Deserializer, de};

/// A user id in which each `*` stands for any text: `@admin:example.org`, `@*:example.org`, `@bridge_*:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; it must have the form of a user id, `@…:…`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.starts_with('@') && text.contains(':')).then(|| Self(text.to_owned()))
    }

    /// The pattern that everybody of a homeserver matches.
    pub fn everybody_of(server: &str) -> Self {
        Self(format!("@*:{server}"))
    }

    /// Whether the user's id fits the pattern.
    pub fn matches(&self, user: &UserId) -> bool {
        glob(&self.0, user.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no user id or pattern; write \"@name:server\" or \"@*:server\""
            ))
        })
    }
}

/// Matches greedily from the left; the last literal part must end the text. No backtracking, so no blow-up.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, user, expected) in [
            ("@a:hs", "@a:hs", true),
            ("@a:hs", "@ab:hs", false),
            ("@*:hs", "@anybody:hs", true),
            ("@*:hs", "@anybody:hs.evil", false),
            ("@*:hs", "@anybody:other", false),
            ("@*:*", "@anybody:other", true),
            ("@bot_*:*", "@bot_1:other", true),
            ("@bot_*:*", "@robot_1:other", false),
            ("@*x*:hs", "@axb:hs", true),
            ("@*x*:hs", "@ab:hs", false),
            ("@a*a:hs", "@a:hs", false),
        ] {
            let user = UserId::parse(user).expect("a user id");
            assert_eq!(Pattern(pattern.to_owned()).matches(&user), expected, "{pattern} {user}");
        }
    }

    #[test]
    fn a_pattern_has_the_form_of_a_user_id() {
        assert_eq!(Pattern::parse("*"), None);
        assert_eq!(Pattern::parse("admin"), None);
        assert_eq!(Pattern::parse("@admin"), None);
        assert!(Pattern::parse("@admin:localhost").is_some());
    }
}
