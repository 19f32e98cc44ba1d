//! No order of indices panics the window, and between restarts it uses none twice.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use vdp_proto::{Verdict, Window};

fuzz_target!(|steps: Vec<i32>| {
    let mut window = Window::new();
    let mut used = HashSet::new();
    let mut index = 0_u64;
    for step in steps {
        index = index.saturating_add_signed(step.into());
        match window.accept(index) {
            Verdict::Next { .. } | Verdict::Late => assert!(used.insert(index), "{index} was used twice"),
            Verdict::Restarted => used = HashSet::from([index]),
            Verdict::Duplicate | Verdict::Outside => {}
        }
    }
});
