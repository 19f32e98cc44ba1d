//! The machine that a bench ran on, as far as it explains the figures.

use serde::Serialize;
use std::fmt::{self, Display};
use std::fs::read_to_string;

/// The machine.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// What the processor calls itself.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let unknown = || "unknown".to_owned();
        let processor = read_to_string("/proc/cpuinfo").ok().and_then(|text| processor(&text));
        let kernel = read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or_else(unknown),
            kernel: kernel.unwrap_or_else(|_| unknown()),
        }
    }
}

/// The name of the first processor in `/proc/cpuinfo`.
fn processor(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

impl Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            processor,
            kernel,
        } = self;
        write!(formatter, "{cores} cores of {processor}, Linux {kernel}")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_processor_says_its_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: aes\n";
        assert_eq!(super::processor(text).unwrap(), "Some CPU @ 2 GHz");
        assert_eq!(super::processor("nothing"), None);
    }
}
