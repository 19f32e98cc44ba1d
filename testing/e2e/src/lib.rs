//! End-to-end scenarios against real programs, and the stack that cargo xtask dev shows.
