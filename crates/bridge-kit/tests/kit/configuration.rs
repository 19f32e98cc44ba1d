//! Configuration: what each mistake is answered with, and that the example and the manual are complete.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bridge_kit::cli::{Program, Role};
use bridge_kit::config::{Config, ConfigError, Reader, Registration, TokenOrigin, example};

use crate::program;

fn voice() -> Program {
    program("test-bridge", Role::Asks, "voicebot")
}

const COMPLETE: &str = r#"
[homeserver]
url = "http://127.0.0.1:8008"
name = "hs"
[appservice]
as_token = "secret-as"
hs_token = "secret-hs"
[peer]
user_id = "@other:hs"
[links]
[links.rooms]
"!room:hs" = "discord/1/2"
[vdp]
[media]
[telemetry]
"#;

fn load(text: &str) -> Result<Config<()>, ConfigError> {
    Config::read(&Reader::from_toml::<()>(&voice(), text)?)
}

#[test]
fn the_least_configuration_has_sensible_defaults() {
    let config = load(COMPLETE).expect("valid");
    assert_eq!(config.appservice.id, "test-bridge");
    assert_eq!(config.appservice.bot, "@voicebot:hs");
    assert_eq!(config.appservice.url.as_str(), "http://127.0.0.1:29331/");
    assert_eq!(config.peer.control_alias, "#_vdp_control:hs");
    assert!(config.links.trusted_bridges.is_empty());
    assert!(config.links.invite_from[0].matches("@anybody:hs".try_into().expect("a user")));
    assert_eq!(config.links.rooms.len(), 1);
    assert_eq!(config.vdp.broken_after.as_secs(), 6);
    assert_eq!(config.media.threads.get(), 2);
    assert_eq!(config.media.most_late_percent, 20);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn each_mistake_gets_one_line_that_names_the_key() {
    let table = [
        // What is replaced, by what, how the answer starts, and what it must tell.
        ("url = \"http://127.0.0.1:8008\"", "", "homeserver.url: ", "missing"),
        (
            "http://127.0.0.1:8008",
            "localhost:8008",
            "homeserver.url: ",
            "http://host:port",
        ),
        ("http://127.0.0.1:8008", "nonsense", "homeserver.url: ", "relative URL"),
        ("name = \"hs\"", "name = 3", "homeserver.name: ", "expected a"),
        (
            "[homeserver]",
            "[homeserver]\nurll = 1",
            "homeserver.urll: ",
            "unknown key; this section knows url, name",
        ),
        ("[vdp]", "[vpd]", "vpd: ", "unknown section; there are [homeserver]"),
        ("as_token = \"secret-as\"", "", "appservice.as_token: ", "as_token_file"),
        (
            "as_token = \"secret-as\"",
            "as_token = \"\"",
            "appservice.as_token: ",
            "empty",
        ),
        (
            "as_token = \"secret-as\"",
            "as_token = 12345",
            "appservice.as_token: ",
            "put it in quotes",
        ),
        (
            "as_token = \"secret-as\"",
            "as_token = \"a\"\nas_token_file = \"b\"",
            "appservice.as_token: ",
            "not both",
        ),
        (
            "as_token = \"secret-as\"",
            "as_token_file = \"/nonexistent/x\"",
            "appservice.as_token_file: ",
            "/nonexistent/x",
        ),
        (
            "secret-hs",
            "secret-as",
            "appservice.hs_token: ",
            "two different tokens",
        ),
        (
            "[appservice]",
            "[appservice]\nlisten = \"29331\"",
            "appservice.listen: ",
            "socket address",
        ),
        (
            "[appservice]",
            "[appservice]\nlisten = \"0.0.0.0:1\"",
            "appservice.url: ",
            "where the homeserver reaches",
        ),
        (
            "[appservice]",
            "[appservice]\nghost_prefix = \"\"",
            "appservice.ghost_prefix: ",
            "lower-case",
        ),
        (
            "[appservice]",
            "[appservice]\nbot = \"@a:hs\"",
            "appservice.bot: ",
            "localpart",
        ),
        ("@other:hs", "other", "peer.user_id: ", "leading sigil"),
        (
            "[peer]",
            "[peer]\ncontrol_alias = \"#c:else\"",
            "peer.control_alias: ",
            "another server",
        ),
        (
            "[links]",
            "[links]\ntrusted_bridges = [\"admin\"]",
            "links.trusted_bridges.0: ",
            "@name:server",
        ),
        (
            "[links]",
            "[links]\ntrusted_bridges = \"@a:hs\"",
            "links.trusted_bridges: ",
            "sequence",
        ),
        (
            "discord/1/2",
            "discord/1",
            "links.rooms.!room:hs: ",
            "protocol/network/channel",
        ),
        ("!room:hs", "room", "links.rooms", "sigil"),
        ("[vdp]", "[vdp]\nlisten = \"0.0.0.0:1\"", "vdp.advertise: ", "sends to"),
        (
            "[vdp]",
            "[vdp]\nkeep_alive = 2",
            "vdp.keep_alive: ",
            "expected a string",
        ),
        (
            "[vdp]",
            "[vdp]\nkeep_alive = \"2 weeks\"",
            "vdp.keep_alive: ",
            "such as \"2s\"",
        ),
        (
            "[vdp]",
            "[vdp]\nkeep_alive = \"0s\"",
            "vdp.keep_alive: ",
            "more than nothing",
        ),
        (
            "[vdp]",
            "[vdp]\nbroken_after = \"1s\"",
            "vdp.broken_after: ",
            "longer than vdp.keep_alive",
        ),
        (
            "[vdp]",
            "[vdp]\ngive_up_after = \"6s\"",
            "vdp.give_up_after: ",
            "longer than vdp.broken_after",
        ),
        (
            "[vdp]",
            "[vdp]\nport_range = \"9-1\"",
            "vdp.port_range: ",
            "29410-29499",
        ),
        ("[media]", "[media]\nthreads = 0", "media.threads: ", "nonzero"),
        (
            "[media]",
            "[media]\nmost_late_percent = 101",
            "media.most_late_percent: ",
            "from 0 to 100",
        ),
        (
            "[telemetry]",
            "[telemetry]\nlog = \"a=b=c\"",
            "telemetry.log: ",
            "filter",
        ),
        (
            "[telemetry]",
            "[telemetry]\nformat = \"xml\"",
            "telemetry.format: ",
            "`xml` is none of text, json",
        ),
        ("[media]", "[media", "settings.toml line 14: ", ""),
    ];
    for (from, to, start, told) in table {
        assert!(COMPLETE.contains(from), "{from}");
        let error = load(&COMPLETE.replace(from, to)).expect_err(to).to_string();
        assert!(
            error.starts_with(start) && error.contains(told) && !error.contains('\n'),
            "{to:?} gave {error:?}"
        );
        assert!(!error.contains("secret-"), "{error:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::<()>::load(&voice(), Some(Path::new("/nonexistent/a.toml"))).expect_err("an error");
    assert!(
        error
            .to_string()
            .starts_with("--config: cannot read /nonexistent/a.toml"),
        "{error}"
    );
}

#[test]
fn secrets_never_print() {
    let config = load(COMPLETE).expect("valid");
    assert_eq!(config.appservice.as_token.expose(), "secret-as");
    assert!(!format!("{config:?}").contains("secret-"));
}

/// The environment of this test's process is left alone: each case runs the program's own test binary anew.
#[test]
fn the_environment_wins_over_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, COMPLETE).expect("written");
    let token = directory.path().join("token");
    std::fs::write(&token, "from-a-file\n").expect("written");
    let token = token.to_str().expect("a path");
    let run = |variables: &[(&str, &str)]| {
        let output = std::process::Command::new(std::env::current_exe().expect("this binary"))
            .args([
                "--exact",
                "configuration::print_what_the_environment_gives",
                "--nocapture",
            ])
            .env("TEST_CONFIG_FILE", &file)
            .envs(variables.iter().copied())
            .output()
            .expect("run");
        String::from_utf8(output.stdout).expect("text")
    };
    for (variables, expected) in [
        (&[("ENV_BRIDGE_VDP__LISTEN", "127.0.0.1:7")][..], "listen=127.0.0.1:7 "),
        (
            &[("ENV_BRIDGE_VDP__LISTENN", "127.0.0.1:7")],
            "error=vdp.listenn: unknown key",
        ),
        (
            &[("ENV_BRIDGE_VDPP__LISTEN", "127.0.0.1:7")],
            "error=vdpp: unknown section",
        ),
        (
            &[("ENV_BRIDGE_VDP__LISTEN", "7")],
            "(in `ENV_BRIDGE_` environment variable(s))",
        ),
        (
            &[("ENV_BRIDGE_LINKS__TRUSTED_BRIDGES", "[\"@a:hs\", \"@b:hs\"]")],
            "trusted=2 ",
        ),
        (&[("ENV_BRIDGE_PORT", "tcp://10.0.0.1:80")], "listen=127.0.0.1:29400 "),
        (
            &[("ENV_BRIDGE_HOMESERVER__NAME", "other.example")],
            "bot=@voicebot:other.example ",
        ),
        (
            &[("ENV_BRIDGE_APPSERVICE__AS_TOKEN_FILE", token)],
            "error=appservice.as_token: set either",
        ),
    ] {
        let printed = run(variables);
        assert!(printed.contains(expected), "{variables:?} gave {printed}");
    }
}

/// What [`the_environment_wins_over_the_file`] runs; says nothing by itself.
#[test]
fn print_what_the_environment_gives() {
    let Some(file) = std::env::var_os("TEST_CONFIG_FILE") else {
        return;
    };
    let program = program("env-bridge", Role::Asks, "voicebot");
    let line = match Config::<()>::load(&program, Some(Path::new(&file))) {
        Ok(config) => format!(
            "listen={} trusted={} bot={} ",
            config.vdp.listen,
            config.links.trusted_bridges.len(),
            config.appservice.bot
        ),
        Err(error) => format!("error={error}"),
    };
    writeln!(std::io::stdout(), "{line}").expect("printed");
}

#[test]
fn the_example_is_what_the_defaults_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let mut text = example::<()>(&voice());
    for name in ["test-bridge.as_token", "test-bridge.hs_token"] {
        std::fs::write(token(name), name).expect("written");
        text = text.replace(name, &token(name));
    }
    let shown = load(&text).expect("a valid example");
    let least = "[homeserver]\nurl = \"http://127.0.0.1:8008\"\nname = \"localhost\"\n[appservice]\nas_token = \"a\"\n\
                 hs_token = \"b\"\n[peer]\nuser_id = \"@other-bridge:localhost\"\n";
    let default = load(least).expect("valid");
    assert_eq!(format!("{shown:?}"), format!("{default:?}"));
}

#[test]
fn a_mistake_in_a_file_names_the_file_as_it_was_given() {
    let directory = tempfile::tempdir_in(".").expect("a directory");
    let path = std::path::absolute(directory.path().join("bridge.toml")).expect("a path");
    std::fs::write(&path, COMPLETE.replace("[vdp]", "[vdp]\nlisten = 5")).expect("written");
    let config = Reader::open::<()>(&voice(), Some(&path)).and_then(|reader| Config::<()>::read(&reader));
    let error = config.expect_err("5 is no address").to_string();
    assert!(error.starts_with("vdp.listen: "), "{error}");
    assert!(error.ends_with(&format!("(in {})", path.display())), "{error}");
}

#[test]
fn a_registration_agrees_with_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let settings = |name: &str| {
        let files = format!("as_token_file = {:?}\nhs_token_file = {:?}", path("as"), path("hs"));
        COMPLETE.replace(
            "as_token = \"secret-as\"\nhs_token = \"secret-hs\"",
            if name == "files" { &files } else { "" },
        )
    };
    let registration = |text: &str| {
        let reader = Reader::from_toml::<()>(&voice(), text).expect("readable");
        Registration::read(&reader).expect("a registration")
    };
    let first = registration(&settings("files"));
    assert_eq!(first.as_token, TokenOrigin::Written(path("as")));
    let config = load(&settings("files")).expect("valid now that the files are there");
    assert_eq!(config.appservice.as_token, first.appservice.as_token);
    assert_eq!(config.appservice.hs_token, first.appservice.hs_token);
    let again = registration(&settings("files"));
    assert_eq!(
        (again.as_token, again.hs_token),
        (TokenOrigin::Configured, TokenOrigin::Configured)
    );
    let random = registration(&settings("none"));
    assert_eq!(random.as_token, TokenOrigin::MadeUp);
    assert_eq!(random.appservice.as_token.expose().len(), 64);
    assert_ne!(random.appservice.as_token, first.appservice.as_token);

    let mode = std::fs::metadata(path("as")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// The keys of an example: those that are set, and those that stand in a comment as `# key = …`.
fn keys(example: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in example.lines().map(|line| line.trim_start_matches("# ")) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ")
            && !key.contains(' ')
        {
            let key = if key.starts_with('"') { "\"ROOM\"" } else { key };
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// The keys of the manual: the first column of its tables, below the section's heading.
fn documented(manual: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut keys = BTreeSet::new();
    for line in manual.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split('`').nth(1).unwrap_or("").trim_matches(['[', ']']);
        } else if let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next())
            && !section.is_empty()
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_manual_lists_every_key_of_every_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let manual = read("docs/configuration.md");
    let mut examples = vec![example::<()>(&voice())];
    examples.extend(OWN_EXAMPLES.map(read));
    let mut expected = keys(&examples.join("\n"));
    // What may come from a file may be given inline.
    let inline = expected
        .iter()
        .filter_map(|key| key.strip_suffix("_file"))
        .map(ToOwned::to_owned)
        .collect::<Vec<_>>();
    expected.extend(inline);
    assert_eq!(documented(&manual), expected);
    for key in &expected {
        let Some((section, key)) = key.split_once('.').filter(|(_, key)| !key.contains('"')) else {
            continue;
        };
        let variable = format!("{}__{}", section.to_uppercase(), key.to_uppercase());
        assert!(manual.contains(&variable), "{variable} is not in the manual");
    }
}

/// The sections that only one of the programs has.
const OWN_EXAMPLES: [&str; 2] = [
    "crates/voice-bridge/src/settings.toml",
    "crates/discord-bridge/src/config.toml",
];
