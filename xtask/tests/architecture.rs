//! The crates depend on each other, and on nothing else, as `docs/architecture.md` says. Read from `cargo metadata`,
//! so that no manifest can say one thing and Cargo do another.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

const PURE: [&str; 3] = ["vdp-proto", "signalling", "voice-media"];
const SHELL: &str = "bridge-kit";
const SERVICES: [&str; 2] = ["voice-bridge", "discord-bridge"];
const DEVELOPMENT: [&str; 4] = ["bench", "discord-standin", "e2e", "xtask"];

/// Runtimes, sockets and randomness: none of them may be anywhere below a pure crate.
const IMPURE: [&str; 16] = [
    "async-io",
    "async-std",
    "futures-executor",
    "getrandom",
    "hyper",
    "mio",
    "nix",
    "polling",
    "quinn-udp",
    "rand",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "uuid",
];

/// The traits that generators of randomness have, without any generator: what is made for random keys names them. Their
/// own way to the system's generator is a feature that others in the workspace turn on, so it is not followed; whoever
/// turned it on in a pure crate would have to depend on them directly.
const TRAITS_OF_RANDOMNESS: &str = "rand_core";

/// The platform of the compiler. What other platforms need is not fetched, and not looked at.
fn host() -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .arg("-vV")
        .output()
        .expect("the compiler says its version");
    let text = String::from_utf8(output.stdout).expect("readable output");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("the compiler says its host").to_owned()
}

/// Dependencies in normal builds, by package name; members of the workspace are those of [`Graph::members`].
#[derive(Default)]
struct Graph {
    members: BTreeSet<String>,
    normal: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of_this_workspace() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .other_options(["--locked", "--filter-platform", &host()].map(str::to_owned))
            .exec()
            .expect("cargo metadata works");
        Self::from(&metadata)
    }

    fn below(&self, package: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut left = vec![package];
        while let Some(next) = left.pop() {
            for dependency in self.normal.get(next).into_iter().flatten() {
                if found.insert(dependency.as_str()) && dependency != TRAITS_OF_RANDOMNESS {
                    left.push(dependency);
                }
            }
        }
        found
    }

    /// Every breach of the architecture, as sentences.
    fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for member in &self.members {
            let below = self.below(member);
            for forbidden in below.iter().filter(|dependency| is_forbidden(member, dependency)) {
                breaches.push(format!("{member} must not depend on {forbidden}"));
            }
            let direct = self.normal.get(member).into_iter().flatten();
            if PURE.contains(&member.as_str()) && direct.into_iter().any(|name| name == TRAITS_OF_RANDOMNESS) {
                breaches.push(format!("{member} must not depend on {TRAITS_OF_RANDOMNESS}"));
            }
        }
        breaches
    }
}

impl From<&Metadata> for Graph {
    fn from(metadata: &Metadata) -> Self {
        let name = |id: &PackageId| metadata[id].name.to_string();
        let nodes = &metadata.resolve.as_ref().expect("cargo metadata resolves").nodes;
        let mut normal: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in nodes {
            let is_normal = |dependency: &&cargo_metadata::NodeDep| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            };
            let dependencies = node
                .deps
                .iter()
                .filter(is_normal)
                .map(|dependency| name(&dependency.pkg));
            // Two versions of a package count as one, which can only find more.
            normal.entry(name(&node.id)).or_default().extend(dependencies);
        }
        Self {
            members: metadata.workspace_members.iter().map(name).collect(),
            normal,
        }
    }
}

/// Whether the architecture forbids `member` to depend on `dependency`, directly or not.
fn is_forbidden(member: &str, dependency: &str) -> bool {
    let is_ours = |names: &[&str]| names.contains(&dependency);
    let services_and_above = is_ours(&SERVICES) || is_ours(&DEVELOPMENT);
    match member {
        pure if PURE.contains(&pure) => is_ours(&IMPURE) || is_ours(&PURE) || dependency == SHELL || services_and_above,
        SHELL => services_and_above || is_of_discord(dependency) || is_of_webrtc(dependency),
        "voice-bridge" => services_and_above || is_of_discord(dependency),
        "discord-bridge" => services_and_above || is_of_webrtc(dependency),
        // The stand-in shares no code with what it tests.
        "discord-standin" => is_ours(&PURE) || dependency == SHELL || services_and_above || is_of_discord(dependency),
        "bench" | "e2e" => dependency == "xtask",
        _ => false,
    }
}

fn is_of_discord(dependency: &str) -> bool {
    ["serenity", "songbird"].iter().any(|name| dependency.starts_with(name))
}

fn is_of_webrtc(dependency: &str) -> bool {
    ["str0m", "webrtc"].iter().any(|name| dependency.starts_with(name))
}

#[test]
fn dependencies_are_as_the_architecture_says() {
    let breaches = Graph::of_this_workspace().breaches();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn every_crate_has_a_place_in_the_architecture() {
    let graph = Graph::of_this_workspace();
    let known: BTreeSet<&str> = PURE
        .into_iter()
        .chain([SHELL])
        .chain(SERVICES)
        .chain(DEVELOPMENT)
        .collect();
    assert_eq!(graph.members.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for service in SERVICES {
        assert!(graph.below(service).contains(SHELL), "{service} is built on {SHELL}");
    }
}

#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let metadata = MetadataCommand::new()
        .manifest_path(format!("{root}/Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} inherits no lints",
            package.name
        );
    }
}

#[test]
fn every_pure_crate_forbids_clocks_threads_and_sockets() {
    for pure in PURE {
        let path = format!("{}/../crates/{pure}/clippy.toml", env!("CARGO_MANIFEST_DIR"));
        let settings = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        for forbidden in ["std::time::Instant::now", "std::thread::spawn", "std::net::UdpSocket"] {
            assert!(settings.contains(forbidden), "{path} does not forbid {forbidden}");
        }
    }
}

/// A workspace that keeps the rules, to be broken by one edge.
fn sound() -> Graph {
    let mut graph = Graph::default();
    let edges: [(&str, &[&str]); 10] = [
        ("vdp-proto", &["serde"]),
        ("signalling", &["serde"]),
        ("voice-media", &["opus2"]),
        ("bridge-kit", &["vdp-proto", "signalling", "voice-media", "tokio"]),
        ("voice-bridge", &["bridge-kit", "str0m"]),
        ("discord-bridge", &["bridge-kit", "songbird"]),
        ("discord-standin", &["tokio"]),
        ("e2e", &["bridge-kit", "discord-standin"]),
        ("bench", &["bridge-kit", "vdp-proto"]),
        ("xtask", &["e2e"]),
    ];
    for (member, dependencies) in edges {
        graph.members.insert(member.to_owned());
        graph.normal.insert(
            member.to_owned(),
            dependencies.iter().map(ToString::to_string).collect(),
        );
    }
    graph
}

#[test]
fn the_check_passes_a_sound_graph_and_fails_for_each_forbidden_edge() {
    assert_eq!(sound().breaches(), Vec::<String>::new());
    let forbidden = [
        ("vdp-proto", "tokio"),
        ("vdp-proto", "rand_core"),
        ("signalling", "rand"),
        ("voice-media", "mio"),
        ("signalling", "vdp-proto"),
        ("vdp-proto", "bridge-kit"),
        ("bridge-kit", "serenity"),
        ("bridge-kit", "str0m"),
        ("bridge-kit", "voice-bridge"),
        ("voice-bridge", "discord-bridge"),
        ("discord-bridge", "voice-bridge"),
        ("voice-bridge", "serenity"),
        ("discord-bridge", "str0m"),
        ("discord-bridge", "discord-standin"),
        ("discord-standin", "songbird"),
        ("bridge-kit", "xtask"),
        ("e2e", "xtask"),
        ("bench", "xtask"),
        ("bridge-kit", "bench"),
    ];
    for (member, dependency) in forbidden {
        let mut graph = sound();
        graph
            .normal
            .entry(member.to_owned())
            .or_default()
            .insert(dependency.to_owned());
        let breach = format!("{member} must not depend on {dependency}");
        assert!(graph.breaches().contains(&breach), "{breach}: not found");
    }
}

#[test]
fn the_check_sees_what_is_hidden_behind_other_packages() {
    let mut graph = sound();
    graph
        .normal
        .insert("serde".to_owned(), BTreeSet::from(["innocent".to_owned()]));
    graph
        .normal
        .insert("innocent".to_owned(), BTreeSet::from(["socket2".to_owned()]));
    assert_eq!(
        graph.breaches(),
        [
            "signalling must not depend on socket2",
            "vdp-proto must not depend on socket2"
        ],
    );
}
