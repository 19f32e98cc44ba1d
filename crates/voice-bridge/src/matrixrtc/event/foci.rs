//! Reads which SFUs a homeserver names for its users.

use serde_json::Value;

use super::read::focus;
use crate::matrixrtc::focus::Focus;

/// Most SFUs that are taken from one answer.
const MAX_NAMED: usize = 8;

/// Those in the answer of `…/org.matrix.msc4143/rtc/transports`.
pub fn transports(answer: &Value) -> Vec<Focus> {
    listed(answer, "rtc_transports")
}

/// Those in `/.well-known/matrix/client`.
pub fn well_known(answer: &Value) -> Vec<Focus> {
    listed(answer, "org.matrix.msc4143.rtc_foci")
}

fn listed(answer: &Value, field: &str) -> Vec<Focus> {
    let list = answer.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(focus).take(MAX_NAMED).collect()
}
