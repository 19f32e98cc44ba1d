//! Opus packets as bytes: table of contents, frames, splitting and merging (RFC 6716 §3).
