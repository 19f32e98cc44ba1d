//! Refusing bots that identify, because a test wants to see what they make of it.

use std::collections::HashMap;

use crate::{control::types::VoiceRefusal, snowflake::Snowflake};

/// Who is refused with which code, and how often still.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<Snowflake, VoiceRefusal>);

impl Refusals {
    pub(crate) fn set(&mut self, user: Snowflake, refusal: VoiceRefusal) {
        self.0.insert(user, refusal);
    }

    pub(crate) fn clear(&mut self, user: Snowflake) {
        self.0.remove(&user);
    }

    /// The code to refuse a user with now.
    pub(crate) fn next(&mut self, user: Snowflake) -> Option<u16> {
        let refusal = self.0.get_mut(&user)?;
        let code = refusal.code;
        if let Some(times) = &mut refusal.times {
            if *times == 0 {
                self.0.remove(&user);
                return None;
            }
            *times -= 1;
        }
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Snowflake = Snowflake(1);

    #[test]
    fn a_refusal_lasts_as_often_as_it_says_or_until_it_is_taken_back() {
        let mut refusals = Refusals::default();
        let twice = VoiceRefusal {
            code: 4_017,
            times: Some(2),
        };
        refusals.set(USER, twice);
        assert_eq!(refusals.next(Snowflake(2)), None);
        let answers = [(); 3].map(|()| refusals.next(USER));
        assert_eq!(answers, [Some(4_017), Some(4_017), None]);

        let always = VoiceRefusal {
            code: 4_006,
            times: None,
        };
        refusals.set(USER, always);
        assert_eq!([(); 3].map(|()| refusals.next(USER)), [Some(4_006); 3]);
        refusals.clear(USER);
        assert_eq!(refusals.next(USER), None);
    }
}
