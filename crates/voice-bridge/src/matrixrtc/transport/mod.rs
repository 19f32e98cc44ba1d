//! The way into an SFU: which one, and the token that it wants.
//!
//! Which SFUs there are comes from strangers' events, too. [`Reach`](crate::reach::Reach) says where the bridge goes for
//! whom.

mod error;
mod grant;
mod service;
#[cfg(test)]
mod tests;
mod transports;

pub use self::error::TransportError;
pub use self::grant::Grant;
pub use self::service::{Caller, Entry};
pub use self::transports::{Credentials, Transports};
