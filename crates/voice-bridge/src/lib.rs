//! Takes part in Matrix calls and carries their voice over VDP.
