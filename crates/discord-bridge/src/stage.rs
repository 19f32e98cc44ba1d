//! Stages: whoever comes in sits in the audience, where nobody is heard.

use serenity::all::{Builder as _, EditVoiceState};

use crate::gateway::api::SharedHttp;
use crate::gateway::facts::{ChannelKind, Floor, Place, VoiceChannel};

/// How the bot gets out of the audience of the place that it has joined; none where it is heard at once.
pub(crate) fn floor(place: &Place) -> Option<Floor> {
    match place {
        Place::Known(facts) => match facts.kind {
            ChannelKind::Stage(floor) => Some(floor),
            ChannelKind::Voice | ChannelKind::Text => None,
        },
        _ => None,
    }
}

/// Takes the bot out of the audience of the stage that it is on, or asks the moderators to. It hears the stage meanwhile.
pub(crate) async fn take_floor(http: SharedHttp, at: VoiceChannel, floor: Floor) {
    let change = match floor {
        Floor::Free => EditVoiceState::new().suppress(false),
        Floor::OnRequest => EditVoiceState::new().request_to_speak(true),
        Floor::Closed => return,
    };
    let stage = (at.guild.into(), at.channel.into(), None);
    match change.execute(&http, stage).await {
        Ok(()) => tracing::info!(?floor, "on a stage"),
        Err(error) => tracing::warn!(%error, "the bot stays in the audience of a stage"),
    }
}
