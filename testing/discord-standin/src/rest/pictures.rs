//! Pictures of users, which the real Discord has under an address of its own.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::{discord::Discord, snowflake::Snowflake};

/// Everybody's picture: one grey pixel (PNG).
const PICTURE: &[u8] = include_bytes!("picture.png");

/// A picture that a user has now; any other is not there.
pub(super) async fn avatar(
    State(discord): State<Arc<Discord>>,
    Path((user, file)): Path<(Snowflake, String)>,
) -> Response {
    let hash = file.strip_suffix(".png");
    let has_it = |hash: &str| {
        discord.servers().iter().any(|server| {
            let world = server.world.lock();
            let account = world.guild.accounts.get(&user);
            account.is_some_and(|account| account.avatar.as_deref() == Some(hash))
        })
    };
    if hash.is_some_and(has_it) {
        ([(header::CONTENT_TYPE, "image/png")], PICTURE).into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}
