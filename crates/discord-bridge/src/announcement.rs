//! What the people in a voice channel are told when the bot joins: who hears them, and where Discord's encryption ends.

use bridge_kit::matrix::{MatrixClient, MatrixError, OwnedRoomId, RoomId};
use serenity::all::{ChannelId as Channel, CreateAllowedMentions, CreateMessage};

use crate::gateway::api::SharedHttp;
use crate::gateway::facts::ChannelId;

/// The longest name of a room that is shown, in characters.
const MAX_NAME: usize = 80;

/// Posts in the voice channel's own chat. A channel that cannot be written to is joined all the same.
pub(crate) async fn post(http: SharedHttp, matrix: MatrixClient, room: OwnedRoomId, channel: ChannelId) {
    let text = match describe(&matrix, &room).await {
        Ok((name, people)) => wording(&name, people),
        Err(error) => {
            tracing::debug!(%error, "cannot read the name of a room");
            wording(room.as_str(), None)
        }
    };
    // Names come from strangers; none of them may ring anybody.
    let message = CreateMessage::new()
        .content(text)
        .allowed_mentions(CreateAllowedMentions::new());
    if let Err(error) = Channel::from(channel).send_message(&http, message).await {
        tracing::warn!(%error, "cannot tell a voice channel that it is bridged; may the bot write in its chat?");
    }
}

async fn describe(matrix: &MatrixClient, room: &RoomId) -> Result<(String, Option<usize>), MatrixError> {
    let name = match text_of(matrix, room, "m.room.name", "name").await? {
        None => text_of(matrix, room, "m.room.canonical_alias", "alias").await?,
        name => name,
    };
    let people = matrix.joined_members(room).await?.len();
    Ok((name.unwrap_or_else(|| room.to_string()), Some(people)))
}

async fn text_of(matrix: &MatrixClient, room: &RoomId, kind: &str, key: &str) -> Result<Option<String>, MatrixError> {
    let event = matrix.state_event(room, kind, "").await?;
    let text = event.as_ref().and_then(|event| event.content.get(key)?.as_str());
    Ok(text.filter(|text| !text.trim().is_empty()).map(str::to_owned))
}

fn wording(room: &str, people: Option<usize>) -> String {
    let room = plain(room);
    let people = people.map_or_else(String::new, |people| {
        format!(" ({people} members, this bridge among them)")
    });
    format!(
        "This voice channel is connected to the Matrix room “{room}”{people}. \
         Whoever is in the call there hears you, and you hear them. \
         Discord's end-to-end encryption ends at this bridge."
    )
}

/// A name as Discord shows it and not as Markdown, in one line and of bearable length.
fn plain(name: &str) -> String {
    let mut shown = String::new();
    for (n, character) in name.chars().enumerate() {
        if n == MAX_NAME {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.push(' ');
            continue;
        }
        if character.is_ascii_punctuation() {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_hears_and_where_encryption_ends() {
        let text = wording("Lounge", Some(7));
        for words in ["“Lounge”", "7 members", "hears you", "encryption ends at this bridge"] {
            assert!(text.contains(words), "{text:?} says {words:?}");
        }
        assert!(!wording("Lounge", None).contains("members"));
    }

    #[test]
    fn a_name_is_shown_and_not_interpreted() {
        assert_eq!(plain("**bold** [x](http://y)"), r"\*\*bold\*\* \[x\]\(http\:\/\/y\)");
        assert_eq!(plain("one\ntwo"), "one two");
        assert_eq!(plain(&"n".repeat(500)).chars().count(), MAX_NAME + 1);
    }
}
