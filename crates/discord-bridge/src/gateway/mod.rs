//! Discord's gateway and REST API: serenity, behind facts of our own.

pub(crate) mod api;
mod bell;
pub(crate) mod client;
mod connection;
pub(crate) mod directory;
pub(crate) mod facts;
pub(crate) mod handler;
pub(crate) mod inspection;

pub(crate) use self::bell::Changes;
pub(crate) use self::client::GatewayError;
pub(crate) use self::connection::Connection;
pub(crate) use self::directory::Directory;
pub(crate) use self::handler::GatewayEvent;
