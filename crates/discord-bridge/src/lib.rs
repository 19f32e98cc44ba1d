//! Takes part in Discord voice channels and carries their voice over VDP.
