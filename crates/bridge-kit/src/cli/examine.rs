//! `doctor`: prints what it finds as it comes.

use std::io::Write;

use super::{Exit, Service};
use crate::config::Config;
use crate::doctor::{Finding, Questions, Visit};

pub(super) async fn run<S: Service>(config: &Config<S::Sections>, questions: &Questions) -> Exit {
    let visit = Visit::new(&S::PROGRAM, config, questions).await;
    let mut faults = 0;
    faults += print(&visit.homeserver().await);
    faults += print(&S::examine(&visit).await);
    faults += print(&visit.network().await);
    if faults > 0 { Exit::Failure } else { Exit::Success }
}

/// Prints findings, and returns how many of them are faults.
fn print(findings: &[Finding]) -> usize {
    for finding in findings {
        // A report that nobody reads any more still has its exit code.
        let _ = writeln!(std::io::stdout().lock(), "{finding}");
    }
    findings.iter().filter(|finding| finding.is_fault()).count()
}
