//! The appservice registration, as homeservers read it.

use std::fmt::Write;

use crate::config::{Appservice, ConfigError, Peer, Reader, Registration, Role, TokenOrigin};

/// Returns the registration as YAML, and what the operator should know about its tokens.
pub(super) fn generate(reader: &Reader) -> Result<(String, Vec<String>), ConfigError> {
    let registration = Registration::read(reader)?;
    let alias = match reader.program().role {
        Role::Asks => Some(Peer::control_alias(reader)?),
        Role::Answers => None,
    };
    let origins = [
        ("as_token", &registration.as_token),
        ("hs_token", &registration.hs_token),
    ];
    let advice = origins.iter().filter_map(|(key, origin)| advice(key, origin)).collect();
    Ok((
        yaml(&registration.appservice, alias.as_ref().map(|alias| alias.as_str())),
        advice,
    ))
}

fn advice(key: &str, origin: &TokenOrigin) -> Option<String> {
    match origin {
        TokenOrigin::Configured => None,
        TokenOrigin::Written(path) => Some(format!(
            "appservice.{key}_file: wrote a new token to {}",
            path.display()
        )),
        TokenOrigin::MadeUp => Some(format!(
            "appservice.{key}: made up; copy it from the registration into the configuration"
        )),
    }
}

/// Every text is quoted as JSON, which YAML understands.
fn yaml(appservice: &Appservice, alias: Option<&str>) -> String {
    let bot = &appservice.bot;
    let server = escape(bot.server_name().as_str());
    let ghosts = format!("^@{}.*:{server}$", escape(&appservice.ghost_prefix));
    let mut yaml = String::new();
    let fields = [
        ("id", appservice.id.as_str()),
        ("url", appservice.url.as_str().trim_end_matches('/')),
        ("as_token", appservice.as_token.expose()),
        ("hs_token", appservice.hs_token.expose()),
        ("sender_localpart", bot.localpart()),
    ];
    for (key, value) in fields {
        let _ = writeln!(yaml, "{key}: {}", quoted(value));
    }
    yaml.push_str("rate_limited: false\nreceive_ephemeral: false\nnamespaces:\n  users:\n");
    for regex in [format!("^{}$", escape(bot.as_str())), ghosts] {
        let _ = write!(yaml, "    - exclusive: true\n      regex: {}\n", quoted(&regex));
    }
    match alias {
        Some(alias) => {
            let regex = quoted(&format!("^{}$", escape(alias)));
            let _ = write!(yaml, "  aliases:\n    - exclusive: true\n      regex: {regex}\n");
        }
        None => yaml.push_str("  aliases: []\n"),
    }
    yaml.push_str("  rooms: []\n");
    yaml
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Makes a text match itself in a regular expression.
fn escape(text: &str) -> String {
    let special = |c| r"\.+*?()|[]{}^$".contains(c);
    text.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
