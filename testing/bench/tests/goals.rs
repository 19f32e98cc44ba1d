//! The goals in the repository are at least as strict as what was asked for.

use bench::goals::{Goal, Goals};

/// What was asked for, by bench and figure.
const ASKED_FOR: [(&str, &str, Goal); 21] = [
    ("codec", "encode", Goal::AtMost(150.0)),
    ("codec", "decode", Goal::AtMost(300.0)),
    ("codec", "decode_any_order", Goal::AtMost(450.0)),
    ("codec", "seal_aes256gcm", Goal::AtMost(2_500.0)),
    ("codec", "open_aes256gcm", Goal::AtMost(2_500.0)),
    ("relay", "plain", Goal::AtLeast(0.85)),
    ("relay", "sealed", Goal::AtLeast(0.75)),
    ("rooms", "one_40_of_janus", Goal::AtMost(0.125)),
    ("rooms", "two_20_of_janus", Goal::AtMost(0.5)),
    ("rooms", "one_10_of_forwarder", Goal::AtMost(1.6)),
    ("rooms", "one_40_of_forwarder", Goal::AtMost(1.6)),
    ("rooms", "one_400_of_forwarder", Goal::AtMost(1.6)),
    ("latency", "to_vdp_p99_over_forwarder", Goal::AtMost(1.0)),
    ("latency", "from_vdp_p99_over_forwarder", Goal::AtMost(1.0)),
    ("latency", "tick_p50", Goal::AtMost(32.0)),
    ("latency", "tick_p99", Goal::AtMost(45.0)),
    ("latency", "tick_p99_after_stall", Goal::AtMost(45.0)),
    ("impaired", "pesq_over_janus_2", Goal::AtLeast(-0.1)),
    ("impaired", "pesq_over_janus_6", Goal::AtLeast(-0.1)),
    ("impaired", "delay_over_janus_2", Goal::AtMost(0.0)),
    ("impaired", "delay_over_janus_6", Goal::AtMost(0.0)),
];

#[test]
fn no_goal_is_looser_than_asked_for() {
    let goals = Goals::of_this_repository().unwrap();
    for (bench, figure, asked) in ASKED_FOR {
        let set = goals.get(bench, figure);
        let strict_enough = match (set, asked) {
            (Some(Goal::AtMost(set)), Goal::AtMost(asked)) => set <= asked,
            (Some(Goal::AtLeast(set)), Goal::AtLeast(asked)) => set >= asked,
            _ => false,
        };
        assert!(strict_enough, "{bench} {figure}: {set:?} is looser than {asked:?}");
    }
}
