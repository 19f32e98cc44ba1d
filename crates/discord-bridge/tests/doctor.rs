//! The doctor at the local Discord, with bots that are set up wrong, each in another way.

use std::collections::BTreeSet;

use bridge_kit::cli::Service;
use bridge_kit::config::{Config, Reader, RoomTarget};
use bridge_kit::doctor::{Finding, Questions, Visit};
use discord_bridge::DiscordBridge;
use discord_bridge::config::Own;
use discord_standin::types::Overwrite;
use discord_standin::{ControlClient, Info, Standin};

/// A bridge at a Discord.
struct Patient {
    config: Config<Own>,
    questions: Questions,
}

impl Patient {
    fn new(api: &str, token: &str, channels: &[String]) -> Self {
        let text = format!(
            r#"
            [homeserver]
            url = "http://127.0.0.1:1"
            name = "hs"
            [appservice]
            as_token = "a"
            hs_token = "h"
            [peer]
            user_id = "@voicebridge:hs"
            [discord]
            token = "{token}"
            api_base = "{api}"
            "#
        );
        let reader = Reader::from_toml::<Own>(&DiscordBridge::PROGRAM, &text).expect("settings");
        let channels = channels.iter().map(|name| RoomTarget::parse(name).expect("a name"));
        let questions = Questions {
            channels: channels.collect(),
            ..Questions::default()
        };
        Self {
            config: Config::read(&reader).expect("settings"),
            questions,
        }
    }

    fn at(info: &Info, channel: &str) -> Self {
        Self::new(
            &info.api_base,
            &info.token,
            &[format!("discord/{}/{channel}", info.guild_id)],
        )
    }

    async fn examined(&self) -> Vec<Finding> {
        DiscordBridge::examine(&Visit {
            config: &self.config,
            questions: &self.questions,
            running: false,
        })
        .await
    }
}

#[derive(Default)]
struct Table(BTreeSet<String>);

impl Table {
    fn row(&mut self, what: &str, advice: &str, findings: &[Finding]) {
        let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.is_fault()).collect();
        let [fault] = faults.as_slice() else {
            panic!("{what}: {findings:#?}");
        };
        assert!(fault.what.contains(what), "{what}: {fault}");
        assert!(fault.advice.contains(advice), "{advice}: {fault}");
        assert!(self.0.insert(fault.to_string()), "said twice: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_set_up_has_a_finding_and_advice_of_its_own() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let standin = Standin::start(discord_standin::Config::default()).await.unwrap();
    let info = standin.info().clone();
    let mut table = Table::default();

    let sound = Patient::at(&info, &info.voice_channel_id).examined().await;
    assert!(!sound.iter().any(Finding::is_fault), "{sound:#?}");
    assert!(sound[0].what.contains("it is that of the bot “bridge”"), "{sound:#?}");
    assert!(
        sound.last().unwrap().what.contains("may see, enter and speak"),
        "{sound:#?}"
    );
    let unasked = Patient::new(&info.api_base, &info.token, &[]).examined().await;
    assert!(
        unasked
            .last()
            .unwrap()
            .advice
            .contains("--channel discord/GUILD/CHANNEL")
    );

    let wrong = Patient::new(&info.api_base, "wrong", &[]).examined().await;
    table.row("discord.token: Discord refuses it", "copy it anew", &wrong);

    let text = Patient::at(&info, &info.text_channel_id).examined().await;
    table.row("is not a voice channel", "link the room to a voice channel", &text);

    let unknown = Patient::at(&info, "1").examined().await;
    table.row("does not exist", "correct the id", &unknown);

    let misnamed = Patient::at(&info, "general").examined().await;
    table.row("“general” where the id", "as discord/GUILD/CHANNEL", &misnamed);

    let elsewhere = Patient::new(&info.api_base, &info.token, &["discord/2/1".to_owned()]);
    let elsewhere = elsewhere.examined().await;
    let invitation = format!("client_id={}&scope=bot&permissions=3146752", info.application_id);
    table.row("not a member of the linked Discord server", &invitation, &elsewhere);

    // So many requests in a second are refused: another Discord.
    standin.shutdown().await;
    let standin = Standin::start(discord_standin::Config::default()).await.unwrap();
    let info = standin.info().clone();
    let control = ControlClient::new(&info.control);

    for (denied, what) in [
        ("CONNECT", "“Connect” in the Discord channel"),
        ("SPEAK", "“Speak” in the Discord channel"),
        ("VIEW_CHANNEL", "“View Channel” for the linked"),
    ] {
        let overwrite = Overwrite {
            deny: vec![denied.to_owned()],
            ..Overwrite::default()
        };
        let (channel, bot) = (&info.voice_channel_id, &info.bot_user_id);
        control.set_overwrite(channel, bot, &overwrite).await.unwrap();
        let held = Patient::at(&info, channel).examined().await;
        table.row(what, "grant it to the bot's role", &held);
    }

    let patient = Patient::at(&info, &info.voice_channel_id);
    standin.shutdown().await;
    table.row(
        "Discord's API cannot be used",
        "that this machine reaches",
        &patient.examined().await,
    );
}
