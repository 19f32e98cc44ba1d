//! `docs/metrics.md` describes the instruments of this bridge.

use bridge_kit::cli::Service;
use bridge_kit::telemetry::instrument::document;

#[test]
fn the_document_lists_them() {
    document::hold("voice-bridge", <voice_bridge::VoiceBridge as Service>::INSTRUMENTS);
}
