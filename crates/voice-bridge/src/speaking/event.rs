//! Who speaks, as clients are told: the only place that knows the field names.

use serde_json::{Value, json};

use super::Speaker;

/// The type of the to-device event, and the name of the attribute of our participant at an SFU.
pub const NAME: &str = "vdp.speaking";

/// The content of the event to a caller's device: all who speak now, of his call in this room.
pub fn content(room_id: &str, call_id: &str, speakers: &[Speaker]) -> Value {
    json!({ "room_id": room_id, "call_id": call_id, "speakers": list(speakers) })
}

/// The attribute's value: the same list as JSON text.
pub fn attribute(speakers: &[Speaker]) -> String {
    list(speakers).to_string()
}

fn list(speakers: &[Speaker]) -> Value {
    let entry = |speaker: &Speaker| {
        let id = ("id", Some(&speaker.id));
        let known = [id, ("name", speaker.name.as_ref()), ("avatar", speaker.avatar.as_ref())];
        let field = |(name, value): (&str, Option<&String>)| Some((name.to_owned(), value?.as_str().into()));
        Value::Object(known.into_iter().filter_map(field).collect())
    };
    speakers.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of `docs/voip.md` and `docs/matrixrtc.md` are what is sent.
    #[test]
    fn s11_the_documents_show_what_is_sent() {
        let dora = Speaker {
            id: "80351110224678912".to_owned(),
            name: Some("Dora".to_owned()),
            avatar: Some("https://cdn.discordapp.com/avatars/80351110224678912/a1b2.webp?size=1024".to_owned()),
        };
        let example = |document: &str, after: &str| {
            let (_, section) = document.split_once(after).expect("the section");
            let (_, block) = section.split_once("```json\n").expect("an example");
            let (block, _) = block.split_once("\n```").expect("its end");
            serde_json::from_str::<Value>(block).expect("JSON")
        };
        let room = "!qPNOnUsNsZrToFZqxB:half-shot.uk";
        assert_eq!(
            content(room, "c1700000000", std::slice::from_ref(&dora)),
            example(include_str!("../../../../docs/voip.md"), "## Who speaks on Discord")
        );
        assert_eq!(
            serde_json::from_str::<Value>(&attribute(&[dora])).expect("JSON"),
            example(
                include_str!("../../../../docs/matrixrtc.md"),
                "## Who speaks on Discord"
            )
        );
        assert_eq!(attribute(&[]), "[]");
    }
}
