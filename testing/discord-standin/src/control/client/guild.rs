//! Roles, settings of the guild, and commands.

use reqwest::Method;
use serde_json::json;

use super::{
    super::types::{AfkSettings, Command, Interaction, Role, RoleSettings, UseCommand},
    ControlClient, ControlError,
};

impl ControlClient {
    /// Creates a role.
    pub async fn create_role(&self, settings: &RoleSettings) -> Result<Role, ControlError> {
        self.call(Method::POST, "roles", settings).await
    }

    /// Changes a role, named by id or name.
    pub async fn change_role(&self, role: &str, settings: &RoleSettings) -> Result<Role, ControlError> {
        self.call(Method::PATCH, &format!("roles/{role}"), settings).await
    }

    /// Sets what a role may do.
    pub async fn set_role_permissions(&self, role: &str, permissions: &[&str]) -> Result<(), ControlError> {
        let body = json!({ "permissions": permissions });
        self.command(Method::PUT, &format!("roles/{role}"), &body).await
    }

    /// Deletes a role.
    pub async fn delete_role(&self, role: &str) -> Result<(), ControlError> {
        self.command(Method::DELETE, &format!("roles/{role}"), &json!({})).await
    }

    /// Gives a member a role.
    pub async fn give_role(&self, who: &str, role: &str) -> Result<(), ControlError> {
        self.command(Method::PUT, &format!("people/{who}/roles/{role}"), &json!({}))
            .await
    }

    /// Takes a role from a member.
    pub async fn take_role(&self, who: &str, role: &str) -> Result<(), ControlError> {
        self.command(Method::DELETE, &format!("people/{who}/roles/{role}"), &json!({}))
            .await
    }

    /// Sets where those who are away are moved to.
    pub async fn set_afk(&self, settings: &AfkSettings) -> Result<(), ControlError> {
        self.command(Method::PUT, "afk", settings).await
    }

    /// A person was away for so long that he is moved to the channel for that.
    pub async fn idle(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "idle").await
    }

    /// The commands that bots have registered.
    pub async fn commands(&self) -> Result<Vec<Command>, ControlError> {
        self.fetch("commands").await
    }

    /// Lets a person use a slash command.
    pub async fn use_command(&self, who: &str, command: &UseCommand) -> Result<Interaction, ControlError> {
        self.call(Method::POST, &format!("people/{who}/command"), command).await
    }

    /// What has come of an interaction.
    pub async fn interaction(&self, id: &str) -> Result<Interaction, ControlError> {
        self.fetch(&format!("interactions/{id}")).await
    }

    /// All interactions that are remembered, oldest first.
    pub async fn interactions(&self) -> Result<Vec<Interaction>, ControlError> {
        self.fetch("interactions").await
    }
}
