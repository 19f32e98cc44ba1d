//! `docs/metrics.md` describes the instruments of the kit, and `/metrics` shows them.

use bridge_kit::INSTRUMENTS;
use bridge_kit::telemetry::Metrics;
use bridge_kit::telemetry::instrument::document;

#[test]
fn the_document_lists_them() {
    document::hold("bridge-kit", INSTRUMENTS);
}

#[test]
fn what_has_not_happened_shows_as_nothing() {
    let text = Metrics::install().expect("metrics").render();
    assert!(
        text.contains("# TYPE vdp_links_open gauge\nvdp_links_open 0\n"),
        "{text}"
    );
    assert!(text.contains("# HELP vdp_matrix_retries_total Requests"), "{text}");
    assert!(text.contains("\nvdp_matrix_retries_total 0\n"), "{text}");
}
