//! Discord's REST API, with or without something standing in for it.

use std::sync::Arc;
use std::time::Duration;

use serenity::http::{Http, HttpBuilder};
use serenity::prelude::SerenityError;

use super::facts::{ChannelId, UserId};
use crate::config::Discord;

/// How long a question may take that a caller waits for.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes a client.
///
/// serenity's rate limiter builds requests anew and forgets the proxy, so with it on everything would go to the real
/// Discord, token and all. Hence the two are one choice here: no caller can combine them otherwise.
pub(crate) fn http(discord: &Discord) -> Http {
    let builder = HttpBuilder::new(discord.token.expose());
    match &discord.api {
        None => builder.build(),
        Some(base) => builder.proxy(base.as_str()).ratelimiter_disabled(true).build(),
    }
}

/// What must be known before a gateway client may be made.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// Address of the gateway.
    pub(crate) gateway: String,
    /// The bot's user.
    pub(crate) bot: UserId,
}

/// Why Discord could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Discord does not know the token.
    #[error("Discord refuses the token")]
    Credentials,
    /// Everything else; it is worth trying again.
    #[error("Discord's API cannot be used: {0}")]
    Unavailable(#[source] Box<SerenityError>),
}

impl From<SerenityError> for ApiError {
    fn from(error: SerenityError) -> Self {
        if status(&error) == Some(401) {
            Self::Credentials
        } else {
            Self::Unavailable(Box::new(error))
        }
    }
}

/// The status of an answer that says no.
pub(crate) fn status(error: &SerenityError) -> Option<u16> {
    match error {
        SerenityError::Http(error) => error.status_code().map(|status| status.as_u16()),
        _ => None,
    }
}

/// Whether a channel that the gateway has not told of exists all the same: the bot may not see it then.
pub(crate) async fn is_hidden(http: &Http, channel: ChannelId) -> bool {
    let asked = tokio::time::timeout(ASK_TIMEOUT, http.get_channel(channel.into())).await;
    asked.is_ok_and(|answer| answer.is_err_and(|error| status(&error) == Some(403)))
}

/// Asks Discord where its gateway is and who the bot is.
///
/// serenity asks for the gateway too, and takes `wss://gateway.discord.gg` where it gets no answer. So it is asked here
/// first, and the address found is what the client is given.
pub(crate) async fn enter(http: &Http) -> Result<Entrance, ApiError> {
    let gateway = http.get_gateway().await?.url;
    let user = http.get_current_user().await?;
    Ok(Entrance {
        gateway,
        bot: user.id.into(),
    })
}

/// Waits between attempts: soon at first, then twice as long each time.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(Self::LONGEST);
        wait
    }
}

/// A shared handle to the API.
pub(crate) type SharedHttp = Arc<Http>;

#[cfg(test)]
mod tests {
    use bridge_kit::config::Secret;
    use url::Url;

    use super::*;
    use crate::config::ApiBase;

    fn discord(api: Option<&str>) -> Discord {
        Discord {
            token: Secret::new("token"),
            api: api.map(|address| ApiBase::new(&Url::parse(address).unwrap()).unwrap()),
            pictures: Url::parse("http://127.0.0.1:1").unwrap(),
            announce: true,
            max_channels: 1,
            ignore_users: vec![],
            known_bridges: vec![],
            bridge_bots: true,
        }
    }

    /// The combination that would send a token for a stand-in to the real Discord cannot be made.
    #[test]
    fn a_proxy_and_the_rate_limiter_exclude_each_other() {
        let real = http(&discord(None));
        assert!(real.ratelimiter.is_some() && real.proxy.is_none());
        let standin = http(&discord(Some("http://127.0.0.1:1")));
        assert!(standin.ratelimiter.is_none());
        assert_eq!(standin.proxy.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..7).map(|_| backoff.wait().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[tokio::test]
    async fn an_api_that_is_not_there_is_worth_trying_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = enter(&http(&discord(Some(&address)))).await.unwrap_err();
        assert!(matches!(error, ApiError::Unavailable(_)), "{error:?}");
    }
}
