//! `docs/metrics.md`, whose tables of instruments are written from the code.

use std::fmt::Write as _;
use std::path::Path;

use super::Instrument;

/// The variable under which the document is written anew, instead of being compared.
const WRITE: &str = "VDP_WRITE_DOCS";

/// For the tests of the crates: holds the document's table of `owner`'s instruments against the code. Where the
/// environment has `VDP_WRITE_DOCS`, writes it instead.
///
/// # Panics
/// If they differ, or the document has no such table.
pub fn hold(owner: &str, instruments: &[Instrument]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let old = std::fs::read_to_string(&path).expect("docs/metrics.md");
    let new = written(&old, owner, instruments).expect("docs/metrics.md has a place for these instruments");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, new).expect("docs/metrics.md can be written");
    } else {
        assert!(
            old == new,
            "docs/metrics.md does not list the instruments of {owner} as they are: run the tests once with {WRITE}=1"
        );
    }
}

/// `document` with the table of `owner`'s instruments as they are now; nothing where it has no place for one.
///
/// The place is between the lines `<!-- instruments of OWNER -->` and `<!-- end -->`.
fn written(document: &str, owner: &str, instruments: &[Instrument]) -> Option<String> {
    let start = format!("<!-- instruments of {owner} -->\n");
    let (before, rest) = document.split_once(&start)?;
    let (_, after) = rest.split_once("<!-- end -->\n")?;
    let table = table(instruments);
    Some(format!("{before}{start}{table}<!-- end -->\n{after}"))
}

/// A table of instruments in Markdown.
fn table(instruments: &[Instrument]) -> String {
    let mut table = "| name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n".to_owned();
    for instrument in instruments {
        let labels: Vec<String> = instrument.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let Instrument { name, unit, about, .. } = instrument;
        let kind = instrument.kind.name();
        let _ = writeln!(table, "| `{name}` | {kind} | {unit} | {labels} | {about} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::{Counter, Gauge};
    use super::*;

    const APPLES: &[Instrument] = &[
        Counter::new("sold_total", "apples", &["colour", "size"], "Apples that were sold").instrument(),
        Gauge::new("stored", "apples", &[], "Apples that are there").instrument(),
    ];

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let old = "# Apples\n<!-- instruments of shop -->\nold\n<!-- end -->\nand more\n";
        let new = written(old, "shop", APPLES).expect("a place");
        assert_eq!(
            new,
            "# Apples\n<!-- instruments of shop -->\n\
             | name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n\
             | `sold_total` | counter | apples | `colour`, `size` | Apples that were sold |\n\
             | `stored` | gauge | apples |  | Apples that are there |\n\
             <!-- end -->\nand more\n"
        );
        assert_eq!(written(&new, "shop", APPLES).as_deref(), Some(new.as_str()));
        assert_eq!(written(old, "market", APPLES), None);
    }
}
