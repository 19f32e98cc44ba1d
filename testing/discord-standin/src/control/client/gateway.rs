//! Gateway sessions, and limits of the REST interface.

use reqwest::Method;
use serde_json::json;

use super::{
    super::types::{GatewayMessages, GatewayRules, Rate, RefuseRequests, RestRequests, Route, SetRate},
    ControlClient, ControlError,
};

impl ControlClient {
    /// Changes what the gateway allows a bot: privileged intents, session starts.
    pub async fn set_gateway_rules(&self, who: &str, rules: &GatewayRules) -> Result<(), ControlError> {
        self.command(Method::PATCH, &format!("people/{who}/gateway"), rules)
            .await
    }

    /// Closes a bot's gateway websocket with `code`; 0 cuts the connection.
    pub async fn close_gateway(&self, who: &str, code: u16) -> Result<(), ControlError> {
        let body = json!({ "code": code });
        self.command(Method::POST, &format!("people/{who}/close_gateway"), &body)
            .await
    }

    /// Tells a bot to reconnect (op 7 of the gateway).
    pub async fn reconnect_gateway(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "reconnect_gateway").await
    }

    /// Tells a bot that its gateway session is invalid (op 9), and whether it may resume. If not, the session is over.
    pub async fn invalidate_gateway(&self, who: &str, resumable: bool) -> Result<(), ControlError> {
        let body = json!({ "resumable": resumable });
        self.command(Method::POST, &format!("people/{who}/invalidate_gateway"), &body)
            .await
    }

    /// Keeps a bot's gateway websocket open and sends nothing more over it, as a dead server would.
    pub async fn silence_gateway(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "silence_gateway").await
    }

    /// Asks a bot for a heartbeat (op 1 of the gateway).
    pub async fn request_heartbeat(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "request_heartbeat").await
    }

    /// Events and operations from number `since` on.
    pub async fn gateway_messages(&self, since: u64) -> Result<GatewayMessages, ControlError> {
        self.fetch(&format!("gateway/messages?since={since}")).await
    }

    /// REST requests from number `since` on.
    pub async fn rest_requests(&self, since: u64) -> Result<RestRequests, ControlError> {
        self.fetch(&format!("rest/requests?since={since}")).await
    }

    /// Sets the limit of a route, or without one the global limit.
    pub async fn set_rest_limit(&self, route: Option<Route>, rate: Rate) -> Result<(), ControlError> {
        self.command(Method::PUT, "rest/limits", &SetRate { route, rate }).await
    }

    /// Answers the next REST requests with 429.
    pub async fn refuse_rest(&self, refusal: &RefuseRequests) -> Result<(), ControlError> {
        self.command(Method::POST, "rest/refusals", refusal).await
    }
}
