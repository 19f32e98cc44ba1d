//! The UDP end of VDP.
