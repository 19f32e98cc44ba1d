//! What a bench found: tables for people to read, figures to be held against the goals.

use crate::machine::Machine;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::PathBuf;

/// What a bench found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    tables: Vec<Table>,
    figures: BTreeMap<String, Figure>,
    missing: Vec<Missing>,
    /// Why a figure is not shown, by its name.
    failed: BTreeMap<String, String>,
}

/// A number that may have a goal.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
}

/// Something that a bench needs and did not find.
#[derive(Debug, Clone, Serialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What installs it.
    pub install: String,
}

/// What installs everything that benches need and that is a package of Debian or `PyPI`.
pub const SETUP: &str = "cargo xtask setup --bench";

impl Report {
    /// A report without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a figure; its name and the bench's find its goal.
    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.insert(name.to_owned(), Figure { value, unit });
    }

    /// Says that something is not on this machine, so that some figures are not shown, and what installs it
    /// (mostly [`SETUP`]).
    pub fn missing(&mut self, what: &str, install: &str) {
        self.missing.push(Missing {
            what: what.to_owned(),
            install: install.to_owned(),
        });
    }

    /// Says that a figure cannot be shown since what it takes failed, and why. The others are none the worse for it.
    pub fn failed(&mut self, figure: &str, reason: &str) {
        self.failed.insert(figure.to_owned(), reason.to_owned());
    }

    /// Why the figure of this name is not shown, if what it takes failed.
    pub fn failure(&self, name: &str) -> Option<&str> {
        self.failed.get(name).map(String::as_str)
    }

    /// The names of all figures that are not shown since what they take failed.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.failed.keys().map(String::as_str)
    }

    /// The figure of this name.
    pub fn get(&self, name: &str) -> Option<Figure> {
        self.figures.get(name).copied()
    }

    /// What was not found, as the words of one sentence; none if everything was.
    pub fn what_is_missing(&self) -> Option<String> {
        let words = self
            .missing
            .iter()
            .map(|Missing { what, install }| format!("{what} is MISSING ({install})"));
        let sentence = words.collect::<Vec<_>>().join("; ");
        (!sentence.is_empty()).then_some(sentence)
    }

    /// Writes it as JSON, with the machine, to `bench/NAME.json` in Cargo's target directory.
    pub fn write(&self, bench: &str, machine: &Machine) -> Result<PathBuf> {
        #[derive(Serialize)]
        struct File<'a> {
            bench: &'a str,
            machine: &'a Machine,
            #[serde(flatten)]
            report: &'a Report,
        }
        // This program lies in a folder of that directory.
        let program = std::env::current_exe()?;
        let target = program.parent().and_then(std::path::Path::parent);
        let folder = target.unwrap_or(std::path::Path::new("target")).join("bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{bench}.json"));
        let file = File {
            bench,
            machine,
            report: self,
        };
        std::fs::write(&path, serde_json::to_string_pretty(&file)?)?;
        Ok(path)
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(formatter, "{table}")?;
        }
        if let Some(missing) = self.what_is_missing() {
            writeln!(formatter, "{missing}")?;
        }
        for (figure, reason) in &self.failed {
            writeln!(formatter, "FAILED {figure}: {reason}")?;
        }
        Ok(())
    }
}

/// Rows of words and numbers under a heading.
#[derive(Debug, Serialize)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// As Markdown, so that it can go into `docs/performance.md` as it is: the first column to the left, numbers to the right.
impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            lines()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| width(column).unwrap_or(0).max(2))
            .collect();
        writeln!(formatter, "{}\n", self.title)?;
        for (number, line) in lines().enumerate() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(formatter, "| {cell:<width$} ")?,
                    _ => write!(formatter, "| {cell:>width$} ")?,
                }
            }
            writeln!(formatter, "|")?;
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let colon = if column == 0 { "-" } else { ":" };
                    write!(formatter, "|{}{colon}", "-".repeat(width + 1))?;
                }
                writeln!(formatter, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_as_markdown() {
        let mut table = Table::new("Instructions", &["what", "count"]);
        table.row(["encode".to_owned(), "123".to_owned()]);
        let expected = "Instructions\n\n| what   | count |\n|--------|------:|\n| encode |   123 |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn what_is_missing_says_what_installs_it() {
        let mut report = Report::new();
        assert_eq!(report.what_is_missing(), None);
        report.missing("valgrind", SETUP);
        assert_eq!(
            report.what_is_missing().unwrap(),
            "valgrind is MISSING (cargo xtask setup --bench)"
        );
    }

    #[test]
    fn what_failed_is_told() {
        let mut report = Report::new();
        report.failed("encode", "the machine is on fire");
        assert_eq!(report.failure("encode"), Some("the machine is on fire"));
        assert_eq!(report.failure("decode"), None);
        assert_eq!(report.to_string(), "FAILED encode: the machine is on fire\n");
    }
}
