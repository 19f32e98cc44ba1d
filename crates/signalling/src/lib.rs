//! Events and state machines by which two bridges agree on a VDP channel, without any I/O.
