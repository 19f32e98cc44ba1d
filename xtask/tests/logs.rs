//! The log tells no user id, no room and no address above `debug`.

use std::path::{Path, PathBuf};

/// Macros that log above `debug`.
const LOUD: [&str; 3] = ["info!(", "warn!(", "error!("];

/// Names that values have which tell who it is about, or where he is.
const TELLING: [&str; 15] = [
    "addr",
    "address",
    "bot",
    "destination",
    "from",
    "identity",
    "member",
    "owner",
    "peer",
    "person",
    "room",
    "room_id",
    "sender",
    "user",
    "user_id",
];

/// The files of Rust below a folder, those of tests left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name == "tests" || name == "testing" || name == "live" {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The arguments of every loud call in a text.
fn loud_calls(source: &str) -> Vec<&str> {
    let calls = LOUD.iter().flat_map(|call| source.match_indices(call));
    let arguments = calls.filter_map(|(at, call)| {
        let (rest, mut depth, mut quoted, mut escaped) = (&source[at + call.len()..], 1, false, false);
        for (index, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(&rest[..index]);
            }
        }
        None
    });
    arguments.collect()
}

/// The telling names among the arguments of a call: as a field or a value, or in the braces of a text.
fn telling(arguments: &str) -> Vec<&str> {
    let values = arguments.split('"').enumerate().flat_map(|(part, text)| {
        // Every other part is between quotes, where only what stands in braces is a value.
        let values: Vec<&str> = if part % 2 == 0 {
            vec![text]
        } else {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next())
                .collect()
        };
        values
    });
    let words = values.flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    words.filter(|word| TELLING.contains(word)).collect()
}

#[test]
fn nobody_is_named_above_debug() {
    let mut calls = 0;
    for name in ["bridge-kit", "voice-bridge", "discord-bridge"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates")
            .join(name)
            .join("src");
        for path in sources(&folder) {
            let source = std::fs::read_to_string(&path).expect("a source");
            for call in loud_calls(&source) {
                calls += 1;
                assert_eq!(telling(call), Vec::<&str>::new(), "{}: {call}", path.display());
            }
        }
    }
    assert!(calls > 50, "{calls}");
}

#[test]
fn the_check_sees_what_it_looks_for() {
    let source = r#"tracing::info!(user = %it, "a room (of \"a\" user)"); tracing::debug!(room); warn!("to {peer:?}")"#;
    let found: Vec<Vec<&str>> = loud_calls(source).into_iter().map(telling).collect();
    assert_eq!(found, [vec!["user"], vec!["peer"]]);
}
