//! The systemd units and docker-compose.yml name what the programs know.

use std::path::Path;

const BRIDGES: [&str; 2] = ["voice-bridge", "discord-bridge"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unit(bridge: &str) -> String {
    read(&format!("deploy/systemd/{bridge}.service"))
}

/// The values of a setting, in their order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    let value = |line: &'a str| line.strip_prefix(setting)?.strip_prefix('=');
    unit.lines().filter_map(value).collect()
}

/// The key of the configuration that a variable sets, as `docs/configuration.md` writes it.
fn key(bridge: &str, variable: &str) -> String {
    let prefix = format!("{}_", bridge.replace('-', "_").to_uppercase());
    let key = variable.strip_prefix(&prefix).unwrap_or_else(|| panic!("{variable}"));
    format!("`…{key}`")
}

#[test]
fn every_secret_is_a_credential_that_a_key_of_the_configuration_names() {
    let configuration = read("docs/configuration.md");
    for bridge in BRIDGES {
        let unit = unit(bridge);
        let credentials = values(&unit, "LoadCredential");
        let names: Vec<&str> = credentials.iter().filter_map(|it| it.split(':').next()).collect();
        let variables = values(&unit, "Environment");
        assert!(names.len() >= 2 && names.len() == variables.len(), "{bridge}");
        for (variable, name) in variables.iter().zip(names) {
            let (variable, value) = variable.split_once('=').expect("a variable");
            assert!(configuration.contains(&key(bridge, variable)), "{variable}");
            assert_eq!(value, format!("%d/{name}"));
        }
    }
}

#[test]
fn what_cannot_be_mended_by_a_restart_is_not_restarted() {
    let configuration = read("docs/configuration.md");
    for bridge in BRIDGES {
        let unit = unit(bridge);
        for code in values(&unit, "RestartPreventExitStatus")[0].split(' ') {
            assert!(configuration.contains(&format!("\n| {code} | ")), "{code}");
        }
    }
}

/// Both bridges need the same of the system: what is mended in one unit has to be mended in the other.
#[test]
fn the_units_differ_in_names_and_secrets_only() {
    let plain = |bridge: &str| {
        let prefix = bridge.replace('-', "_").to_uppercase();
        let text = unit(bridge).replace(bridge, "BRIDGE").replace(&prefix, "BRIDGE");
        let own = |line: &&str| line.starts_with("Description=") || line.contains("discord_token");
        text.lines()
            .filter(|line| !own(line))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(plain("voice-bridge"), plain("discord-bridge"));
}

/// Where a document links to a file of the repository, that file is there.
#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut links = 0;
    for document in [
        "README.md",
        "docs/deploy.md",
        "docs/metrics.md",
        "docs/configuration.md",
    ] {
        let folder = Path::new(document).parent().expect("a folder");
        let text = read(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join(link);
            assert!(path.exists(), "{document}: {link}");
            links += 1;
        }
    }
    assert!(links > 10, "{links}");
}

/// What `docker-compose.yml` tells the bridges are keys of their configuration.
#[test]
fn compose_sets_keys_that_there_are() {
    let (compose, configuration) = (read("docker-compose.yml"), read("docs/configuration.md"));
    for bridge in BRIDGES {
        let prefix = format!("{}_", bridge.replace('-', "_").to_uppercase());
        let words = compose.split(|it: char| !(it.is_ascii_uppercase() || it == '_'));
        let variables: Vec<&str> = words.filter(|word| word.starts_with(&prefix)).collect();
        assert!(variables.len() > 8, "{variables:?}");
        for variable in variables {
            assert!(configuration.contains(&key(bridge, variable)), "{variable}");
        }
    }
}

/// What may be set in `.env` is what `docker-compose.yml` reads, and what the example shows as a default is the default.
#[test]
fn the_example_of_settings_names_what_compose_reads() {
    let (compose, example) = (read("docker-compose.yml"), read(".env.example"));
    let settings: Vec<(&str, &str)> = example
        .lines()
        .map(|line| line.trim_start_matches("# "))
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.bytes().all(|it| it.is_ascii_uppercase() || it == b'_'))
        .collect();
    let read_by_compose = compose.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let mut names = 0;
    for variable in read_by_compose {
        let (name, default) = variable.split_once('-').expect("every variable has a default");
        let name = name.trim_end_matches(':');
        let (_, shown) = settings
            .iter()
            .find(|(setting, _)| *setting == name)
            .unwrap_or_else(|| panic!("{name} is not in .env.example"));
        // A local Discord's ids are no example for anybody.
        assert!(shown.is_empty() || *shown == default, "{name}: {shown}, {default}");
        names += 1;
    }
    assert!(names > 10, "{names}");
    // Compose itself reads this one.
    for (name, _) in settings.iter().filter(|(name, _)| *name != "COMPOSE_PROFILES") {
        assert!(compose.contains(&format!("${{{name}")), "{name}");
    }
}

/// The page finds the channel of the local Discord where the first start has linked the room to it.
#[test]
fn without_an_account_the_room_is_linked_to_the_local_discord() {
    let ids = read("testing/discord-standin/src/guild/mod.rs").replace('_', "");
    let compose = read("docker-compose.yml");
    for (variable, field) in [("DISCORD_GUILD", "guild"), ("DISCORD_CHANNEL", "voicechannel")] {
        let default = compose
            .split(&format!("${{{variable}:-"))
            .nth(1)
            .and_then(|rest| rest.split('}').next());
        let default = default.expect("a default");
        assert!(ids.contains(&format!(" {field}: Snowflake({default}),")), "{default}");
    }
}
