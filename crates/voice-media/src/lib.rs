//! Opus packets, jitter buffer and the forward-or-mix engine, without any I/O.
