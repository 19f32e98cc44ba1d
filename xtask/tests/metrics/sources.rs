//! Every instrument that a program uses is declared, and whoever names one names one that there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{read, root, rows};

/// Where instruments are used, and where they are named.
const CRATES: [&str; 3] = ["bridge-kit", "voice-bridge", "discord-bridge"];
const DECLARATIONS: &str = "instruments.rs";
/// The only file that may reach for the library by itself.
const MECHANISM: &str = "bridge-kit/src/telemetry/instrument.rs";

/// The files below a folder whose names end so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found
}

fn described() -> Vec<String> {
    rows().into_iter().map(|row| row.name).collect()
}

/// The words of a text that are made like names of our instruments. What Prometheus appends to those of histograms is cut off.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("vdp_") || word.starts_with("voice_"));
    let made_so = |word: &&str| word.ends_with("_total") || word.contains("_seconds");
    let without = |word: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        let cut = ends.iter().find_map(|end| word.strip_suffix(end));
        cut.unwrap_or(word).to_owned()
    };
    ours.filter(made_so).map(without).collect()
}

/// Uses of the library that bypass a declaration.
fn bypasses(source: &str) -> Vec<&str> {
    let reaches = |line: &&str| {
        let used = ["counter!", "gauge!", "histogram!"]
            .iter()
            .any(|used| line.contains(used));
        used && !line.trim_start().starts_with("//")
    };
    source.lines().filter(reaches).collect()
}

#[test]
fn nothing_is_counted_that_is_not_declared() {
    for name in CRATES {
        for path in files(&root().join("crates").join(name).join("src"), ".rs") {
            if !path.ends_with(MECHANISM) {
                assert_eq!(bypasses(&read(&path)), Vec::<&str>::new(), "{}", path.display());
            }
        }
    }
}

#[test]
fn what_is_declared_is_used() {
    for name in CRATES {
        let folder = root().join("crates").join(name).join("src");
        let declarations = read(&folder.join(DECLARATIONS));
        let others: Vec<String> = files(&folder, ".rs")
            .iter()
            .filter(|path| !path.ends_with(DECLARATIONS))
            .map(|path| read(path))
            .collect();
        let constants: Vec<&str> = declarations.lines().filter_map(constant).collect();
        assert!(!constants.is_empty(), "{name}");
        for constant in constants {
            let used = format!("instruments::{constant}");
            assert!(others.iter().any(|source| source.contains(&used)), "{name}: {constant}");
        }
    }
}

/// The name in the code, of a line that declares an instrument.
fn constant(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("> ")?;
    let (constant, _) = rest.split_once("(\"")?;
    constant
        .chars()
        .all(|c| c.is_ascii_uppercase() || c == '_')
        .then_some(constant)
}

#[test]
fn no_two_instruments_have_one_name() {
    let described = described();
    let distinct: BTreeSet<&String> = described.iter().collect();
    assert!(described.len() > 40, "{described:?}");
    assert_eq!(distinct.len(), described.len());
}

#[test]
fn documents_and_tests_name_instruments_that_there_are() {
    let described: BTreeSet<String> = described().into_iter().collect();
    let mut sources = files(&root().join("docs"), ".md");
    sources.extend(files(&root().join("testing/e2e/src"), ".rs"));
    let mut found = 0;
    for path in sources {
        let text = read(&path);
        let names = named(&text);
        found += names.len();
        let unknown: Vec<&String> = names.difference(&described).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
    assert!(found > described.len(), "{found}");
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(bypasses("a\n    metrics::counter!(X).increment(1);").len(), 1);
    assert!(bypasses("// counter!(X)").is_empty());
    assert_eq!(constant("    Counter<1> LOST(\"vdp_lost_total\", "), Some("LOST"));
    let found = named("sum(rate(vdp_lost_total[1m])) / voice_work_seconds_bucket, vdp_proto, voice_bridge");
    let expected = ["vdp_lost_total", "voice_work_seconds"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}
