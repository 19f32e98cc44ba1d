use bridge_kit::config::{Config, Reader};

use super::*;
use crate::PROGRAM;

const COMMON: &str = r#"
    [homeserver]
    url = "http://127.0.0.1:8008"
    name = "localhost"
    [appservice]
    as_token = "a"
    hs_token = "b"
    [peer]
    user_id = "@voicebridge:localhost"
"#;

fn read(discord: &str) -> Result<Discord, String> {
    let text = format!("{COMMON}\n[discord]\n{discord}");
    let config = Reader::from_toml::<Own>(&PROGRAM, &text).and_then(|reader| Config::<Own>::read(&reader));
    config
        .map(|config| config.own.discord)
        .map_err(|error| error.to_string())
}

#[test]
fn a_token_is_all_that_is_needed() {
    let discord = read("token = 'secret'").unwrap();
    assert_eq!(discord.token.expose(), "secret");
    assert!(discord.announce && discord.bridge_bots && discord.api.is_none());
    assert!(!format!("{discord:?}").contains("secret"));
}

#[test]
fn ids_may_be_text_or_numbers() {
    let discord = read("token = 't'\nignore_users = ['80351110224678912', 7]").unwrap();
    assert_eq!(
        discord.ignore_users.iter().map(|id| id.get()).collect::<Vec<_>>(),
        [80_351_110_224_678_912, 7]
    );
}

#[test]
fn a_mistake_names_its_key() {
    for (text, key) in [
        ("", "discord.token"),
        ("token = ''", "discord.token"),
        ("token = 't'\napi_base = 'ftp://127.0.0.1'", "discord.api_base"),
        ("token = 't'\napi_base = 'http://127.0.0.1/api/v10'", "discord.api_base"),
        ("token = 't'\nmax_channels = 0", "discord.max_channels"),
        ("token = 't'\nknown_bridges = ['music bot']", "discord.known_bridges"),
        ("token = 't'\nrate_limiter = true", "rate_limiter"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(key), "{text:?} gave {error:?}");
        assert!(!error.contains('\n'), "one line: {error:?}");
    }
}

#[test]
fn the_address_of_the_api_has_no_slash_at_its_end() {
    for address in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
        let discord = read(&format!("token = 't'\napi_base = '{address}'")).unwrap();
        assert_eq!(discord.api.unwrap().as_str(), "http://127.0.0.1:8080");
    }
}
