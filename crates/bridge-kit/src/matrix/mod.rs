//! The Matrix end of a bridge.
