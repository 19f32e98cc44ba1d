//! Who somebody on Discord is, as the other bridge is told.

use bridge_kit::channel::{Avatar, Person, PersonId, SpeakerId};

use crate::gateway::facts::{Face, UserId};

/// The person that a user is: by his id alone, or as the speaker that he is, with his face.
pub(crate) fn of(user: UserId, speaker: Option<(SpeakerId, Option<Face>)>) -> Option<Person> {
    let person = Person::new(PersonId::new(user.to_string())?);
    let Some((speaker, face)) = speaker else {
        return Some(person);
    };
    let person = Person {
        speaker: Some(speaker),
        avatar: face.as_ref().and_then(|face| Avatar::new(&face.avatar)),
        ..person
    };
    Some(match face {
        Some(face) => person.named(&face.name),
        None => person,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId(80_351_110_224_678_912.try_into().expect("a user"))
    }

    #[test]
    fn s11_a_speaker_has_a_name_and_a_picture_and_others_are_ids() {
        assert_eq!(of(user(), None).map(|person| person.name), Some(None));
        let face = Face {
            name: "Dora".to_owned(),
            avatar: "https://cdn.discordapp.com/embed/avatars/0.png".to_owned(),
        };
        let dora = of(user(), SpeakerId::new(5).map(|id| (id, Some(face)))).expect("a person");
        assert_eq!(dora.id.as_str(), "80351110224678912");
        assert_eq!(dora.speaker, SpeakerId::new(5));
        assert_eq!(dora.name.as_deref(), Some("Dora"));
        assert!(dora.avatar.is_some());
        let unknown = of(user(), SpeakerId::new(5).map(|id| (id, None))).expect("a person");
        assert_eq!((unknown.speaker, unknown.name), (SpeakerId::new(5), None));
    }
}
