//! The network and the voice server.

use reqwest::Method;
use serde_json::json;

use super::{
    super::types::{ActiveImpairment, SetImpairment, VoiceRefusal, VoiceServer},
    ControlClient, ControlError,
};

impl ControlClient {
    /// Puts an impairment of UDP voice in force; answers with all that are.
    pub async fn impair(&self, impairment: &SetImpairment) -> Result<Vec<ActiveImpairment>, ControlError> {
        self.call(Method::PUT, "impairments", impairment).await
    }

    /// The impairments in force, with what they did.
    pub async fn impairments(&self) -> Result<Vec<ActiveImpairment>, ControlError> {
        self.fetch("impairments").await
    }

    /// Takes all impairments away.
    pub async fn clear_impairments(&self) -> Result<(), ControlError> {
        self.command(Method::DELETE, "impairments", &json!({})).await
    }

    /// The voice server of the moment.
    pub async fn voice_server(&self) -> Result<VoiceServer, ControlError> {
        self.fetch("voice_server").await
    }

    /// Opens another voice server on other ports and sends everybody there.
    pub async fn move_voice_server(&self) -> Result<VoiceServer, ControlError> {
        self.call(Method::POST, "voice_server/move", &json!({})).await
    }

    /// Takes the voice server away (endpoint null) until it is moved.
    pub async fn withdraw_voice_server(&self) -> Result<VoiceServer, ControlError> {
        self.call(Method::POST, "voice_server/withdraw", &json!({})).await
    }

    /// Lets the voice server fall silent: websockets stay open and nothing is answered.
    pub async fn kill_voice_server(&self) -> Result<VoiceServer, ControlError> {
        self.call(Method::POST, "voice_server/die", &json!({})).await
    }

    /// Lets the voice server answer again.
    pub async fn revive_voice_server(&self) -> Result<VoiceServer, ControlError> {
        self.call(Method::POST, "voice_server/revive", &json!({})).await
    }

    /// Closes a bot's voice websocket with a code whenever it identifies, or as often as `refusal` says.
    pub async fn refuse_voice(&self, who: &str, refusal: VoiceRefusal) -> Result<(), ControlError> {
        self.command(Method::PUT, &format!("people/{who}/voice_refusal"), &refusal)
            .await
    }

    /// Takes a refusal back.
    pub async fn accept_voice(&self, who: &str) -> Result<(), ControlError> {
        self.command(Method::DELETE, &format!("people/{who}/voice_refusal"), &json!({}))
            .await
    }
}
