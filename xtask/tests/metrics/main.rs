//! `docs/metrics.md` stands here for the instruments of the programs: the tests `the_document_lists_them` of the crates hold
//! its tables against their declarations.

mod dashboard;
mod sources;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A row of the tables of `docs/metrics.md`.
struct Row {
    name: String,
    kind: String,
    labels: Vec<String>,
}

/// The rows, in their order.
fn rows() -> Vec<Row> {
    let document = read(&root().join("docs/metrics.md"));
    document.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [name, kind, _unit, labels, _about, ""] = cells.as_slice() else {
        return None;
    };
    let plain = |cell: &str| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    Some(Row {
        name: plain(name)?,
        kind: (*kind).to_owned(),
        labels: labels.split(", ").filter_map(plain).collect(),
    })
}
