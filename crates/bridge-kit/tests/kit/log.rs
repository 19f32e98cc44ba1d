//! What stands in the log.

use std::sync::Arc;

use bridge_kit::cli::Role;
use tracing_subscriber::EnvFilter;

use crate::config;

#[test]
fn by_default_the_log_is_of_the_bridge_and_of_what_libraries_warn_of() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let filter = config(Role::Asks, "http://127.0.0.1:1", 1).telemetry.log;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter).expect("a filter"))
        .with_writer(Arc::new(file.reopen().expect("the file")))
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "bridge_kit::matrix", "kit info");
        tracing::info!(target: "test_bridge::gateway", "bridge info");
        tracing::debug!(target: "test_bridge::gateway", "bridge debug");
        tracing::warn!(target: "songbird::driver", "library warning");
        tracing::info!(target: "songbird::driver", "library info");
    });
    let log = std::fs::read_to_string(file.path()).expect("UTF-8");
    let said = [
        "kit info",
        "bridge info",
        "bridge debug",
        "library warning",
        "library info",
    ]
    .map(|it| log.contains(it));
    assert_eq!(said, [true, true, false, true, false], "{log}");
}
