//! Drives the signalling machines over the control room.
