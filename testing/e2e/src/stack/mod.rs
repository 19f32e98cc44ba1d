//! Everything that a call from Matrix to Discord needs, started on this machine: a Synapse, a LiveKit where there is one,
//! a Discord (the local one, unless the real one is asked for) and both bridges, each a process of its own on 127.0.0.1.

mod attached;
mod bridge;
mod gate;
mod limiter;
mod livekit;
mod matrix;
mod ports;
mod process;
mod relay;
mod restartable;
mod secret;
mod standin;
mod synapse;

pub use attached::{BridgePlace, Places};
pub use bridge::{Bridge, Metrics};
pub use gate::Gate;
pub use limiter::Limiter;
pub use livekit::{Focus, LiveKit, MISSING as LIVEKIT_MISSING};
pub use matrix::Person;
pub use process::{Process, wait_for};
pub use relay::{End, Relay, Stand};
pub use standin::Standin;
pub use synapse::{SERVER_NAME, Synapse, tools};

use anyhow::{Context as _, Result};
use ports::{BridgePorts, Ports};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Localpart of the voice bridge's user.
const VOICE_BOT: &str = "voicebridge";
/// Localpart of the discord bridge's user.
const DISCORD_BOT: &str = "discordbridge";
/// The user who makes the rooms and links them: the only one whose links the bridges trust.
pub(crate) const OPERATOR: &str = "operator";

/// The bridge event (MSC2346) that links a room to a channel elsewhere.
const LINK: &str = "m.bridge";
/// The state event by which people take part in a call of MatrixRTC.
pub const CALL_MEMBER: &str = "org.matrix.msc3401.call.member";

/// The state event by which a room shows somebody in its voice channel.
pub const VOICE_MEMBER: &str = "vdp.member";

/// Which Discord the stack uses.
#[derive(Debug, Clone)]
pub enum Discord {
    /// The local one.
    Standin,
    /// The real one, with an account of the person who runs this.
    Real {
        /// File that holds the bot's token.
        token_file: PathBuf,
    },
}

/// The running stack. Dropping it ends every process.
#[derive(Debug)]
pub struct Stack {
    /// Where configurations, logs and data are.
    pub folder: PathBuf,
    /// The homeserver.
    pub synapse: Synapse,
    /// Where the homeserver sends the calls of MatrixRTC; nothing where LiveKit is not installed, or another has started it.
    pub focus: Option<Focus>,
    /// Why there are no calls of MatrixRTC, where there are none.
    pub(crate) rtc_missing: Option<String>,
    /// The local Discord, unless the real one is used.
    pub standin: Option<Standin>,
    /// Takes part in Matrix calls.
    pub voice_bridge: Bridge,
    /// Takes part in Discord voice channels.
    pub discord_bridge: Bridge,
    /// Makes and links rooms.
    pub operator: Person,
}

/// A Matrix room that is linked to a Discord voice channel.
#[derive(Debug, Clone)]
pub struct BridgedRoom {
    /// Matrix room id.
    pub id: String,
    /// Discord guild id.
    pub guild_id: String,
    /// Discord voice channel id.
    pub channel_id: String,
}

impl Stack {
    /// Starts everything below `folder`, telling `progress` what it waits for.
    pub async fn start(folder: &Path, discord: Discord, progress: impl Fn(&str)) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = std::fs::canonicalize(folder)?;
        let (standin, discord) = match discord {
            Discord::Standin => {
                progress("starting the local Discord");
                let standin = Standin::start(&folder).await?;
                let settings = toml::toml! { announce = true }.into_iter().chain([
                    ("token".to_owned(), toml::Value::from(standin.info.token.clone())),
                    ("api_base".to_owned(), toml::Value::from(standin.info.api_base.clone())),
                    (
                        "picture_base".to_owned(),
                        toml::Value::from(standin.info.api_base.clone()),
                    ),
                ]);
                (Some(standin), settings.collect())
            }
            Discord::Real { token_file } => {
                let token_file = std::fs::canonicalize(&token_file).context("the file with the Discord token")?;
                (
                    None,
                    toml::Table::from_iter([("token_file".to_owned(), path_value(&token_file)?)]),
                )
            }
        };
        let ports = Ports::choose()?;
        let webrtc = ports.webrtc;
        let webrtc = toml::toml! { listen = (format!("127.0.0.1:{webrtc}")) advertise = ["127.0.0.1"] };
        // A second SFU on loopback, which only a member names, counts as one in a private network.
        let matrixrtc = toml::toml! { private_foci = true };
        let voice = [("webrtc", webrtc), ("matrixrtc", matrixrtc)];
        let voice = configuration(&ports, &ports.voice, VOICE_BOT, DISCORD_BOT, voice);
        // Clients of other libraries log in as bots, and are there to listen.
        let people = toml::toml! { bots_listen = true };
        let discord = [("discord", discord), ("people", people)];
        let discord = configuration(&ports, &ports.discord, DISCORD_BOT, VOICE_BOT, discord);
        let voice_bridge = Bridge::configure("voice-bridge", &folder.join("voice-bridge"), &ports.voice, &voice)?;
        let mut discord_bridge = Bridge::configure(
            "discord-bridge",
            &folder.join("discord-bridge"),
            &ports.discord,
            &discord,
        )?;
        if let Some(standin) = &standin {
            discord_bridge = discord_bridge.with_environment("SSL_CERT_FILE", &standin.info.ca);
        }
        let registrations = [
            voice_bridge.generate_registration().await?,
            discord_bridge.generate_registration().await?,
        ];

        let focus = if LiveKit::installed().is_some() {
            progress("starting LiveKit");
            let homeserver = format!("http://127.0.0.1:{}", ports.homeserver);
            Some(Focus::start(&folder.join("livekit"), &homeserver).await?)
        } else {
            None
        };
        progress("starting Synapse");
        let transport = focus.as_ref().map(Focus::url);
        let synapse = Synapse::start(&folder.join("synapse"), ports.homeserver, &registrations, transport).await?;
        progress("starting both bridges");
        voice_bridge.start()?;
        discord_bridge.start()?;
        voice_bridge.ready().await?;
        discord_bridge.ready().await?;
        let operator = Person::register(&synapse.url, OPERATOR).await?;
        Ok(Self {
            folder,
            synapse,
            rtc_missing: focus.is_none().then(|| LIVEKIT_MISSING.to_owned()),
            focus,
            standin,
            voice_bridge,
            discord_bridge,
            operator,
        })
    }

    /// Where calls of MatrixRTC are; an error where LiveKit is not installed.
    pub fn focus(&self) -> Result<&Focus> {
        self.focus.as_ref().context(LIVEKIT_MISSING)
    }

    /// The local Discord; an error where the stack uses the real one.
    pub fn standin(&self) -> Result<&Standin> {
        self.standin.as_ref().context("this needs the local Discord")
    }

    /// Makes a room, links it to a voice channel, brings both bridges in and waits until they are.
    pub async fn bridged_room(&self, name: &str, guild_id: &str, channel_id: &str) -> Result<BridgedRoom> {
        let link = json!({
            "bridgebot": self.discord_bot(),
            "creator": self.operator.user_id,
            "protocol": { "id": "discord", "displayname": "Discord" },
            "network": { "id": guild_id },
            "channel": { "id": channel_id, "displayname": name },
        });
        let link = json!({ "type": LINK, "state_key": link_key(guild_id, channel_id), "content": link });
        self.room(name, (guild_id, channel_id), vec![link]).await
    }

    /// The same without the link. Everybody in it may set one.
    pub async fn unlinked_room(&self, name: &str, guild_id: &str, channel_id: &str) -> Result<BridgedRoom> {
        self.room(name, (guild_id, channel_id), Vec::new()).await
    }

    /// Takes a room's link away.
    pub async fn unlink(&self, room: &BridgedRoom) -> Result<()> {
        let key = link_key(&room.guild_id, &room.channel_id);
        self.operator.set_state(&room.id, LINK, &key, json!({})).await
    }

    async fn room(&self, name: &str, (guild_id, channel_id): (&str, &str), state: Vec<Value>) -> Result<BridgedRoom> {
        let mut options = room_for_calls(name);
        options["invite"] = json!([self.voice_bot(), self.discord_bot()]);
        options["initial_state"] = state.into();
        let id = self.operator.create_room(options).await?;
        self.bots_join(&id, Duration::from_secs(30)).await?;
        Ok(BridgedRoom {
            id,
            guild_id: guild_id.to_owned(),
            channel_id: channel_id.to_owned(),
        })
    }

    /// Waits until both bridges are in a room that they are invited to.
    pub(crate) async fn bots_join(&self, room: &str, within: Duration) -> Result<()> {
        wait_for("both bridges to join the room", within, || async {
            let members = self.operator.joined_members(room).await?;
            Ok([self.voice_bot(), self.discord_bot()]
                .iter()
                .all(|bot| members.contains(bot))
                .then_some(()))
        })
        .await
    }

    /// Makes a room for calls without the bridges.
    pub async fn plain_room(&self, name: &str) -> Result<String> {
        self.operator.create_room(room_for_calls(name)).await
    }

    /// Registers a person and brings him into the room.
    pub async fn person(&self, name: &str, room: &BridgedRoom) -> Result<Person> {
        self.person_in(name, &room.id).await
    }

    /// The same for any room.
    pub async fn person_in(&self, name: &str, room: &str) -> Result<Person> {
        let person = self.synapse.person(name).await?;
        if !self.operator.joined_members(room).await?.contains(&person.user_id) {
            self.operator.invite(room, &person.user_id).await?;
            person.join(room).await?;
        }
        Ok(person)
    }

    /// User id of the voice bridge's bot.
    pub fn voice_bot(&self) -> String {
        self.user_id(VOICE_BOT)
    }

    /// User id of the discord bridge's bot.
    pub fn discord_bot(&self) -> String {
        self.user_id(DISCORD_BOT)
    }

    /// The user of this name on the operator's homeserver.
    fn user_id(&self, localpart: &str) -> String {
        let server = self
            .operator
            .user_id
            .split_once(':')
            .map_or(SERVER_NAME, |(_, name)| name);
        format!("@{localpart}:{server}")
    }

    /// Ends everything in order and fails if a bridge ended badly.
    pub async fn stop(mut self) -> Result<()> {
        self.voice_bridge.stop().await?;
        self.discord_bridge.stop().await?;
        if let Some(standin) = self.standin.take() {
            standin.stop().await?;
        }
        if let Some(focus) = self.focus.take() {
            focus.stop().await?;
        }
        self.synapse.stop().await
    }
}

/// A room in which everybody may place calls, and link it.
fn room_for_calls(name: &str) -> Value {
    json!({
        "name": name,
        "preset": "private_chat",
        "power_level_content_override": { "events": { "m.call.invite": 0, CALL_MEMBER: 0, LINK: 0, VOICE_MEMBER: 0 } },
    })
}

/// The state key of a room's link.
fn link_key(guild_id: &str, channel_id: &str) -> String {
    format!("discord://{guild_id}/{channel_id}")
}

/// The configuration file of a bridge, with sections of its own.
fn configuration(
    ports: &Ports,
    own: &BridgePorts,
    bot: &str,
    peer: &str,
    sections: impl IntoIterator<Item = (&'static str, toml::Table)>,
) -> toml::Table {
    let loopback = |port: u16| format!("127.0.0.1:{port}");
    let mut configuration = toml::toml! {
        [homeserver]
        name = "localhost"
        [appservice]
        as_token_file = "as_token"
        hs_token_file = "hs_token"
        [links]
        trusted_bridges = ["@operator:localhost"]
    };
    let mut set = |section: &str, key: &str, value: String| {
        let table = configuration
            .entry(section)
            .or_insert_with(|| toml::Table::new().into());
        if let Some(table) = table.as_table_mut() {
            table.insert(key.to_owned(), value.into());
        }
    };
    set("homeserver", "url", format!("http://{}", loopback(ports.homeserver)));
    set("appservice", "bot", bot.to_owned());
    set("appservice", "listen", loopback(own.appservice));
    set("peer", "user_id", format!("@{peer}:{SERVER_NAME}"));
    set("vdp", "listen", loopback(own.vdp));
    set("telemetry", "listen", loopback(own.telemetry));
    for (section, settings) in sections {
        configuration.insert(section.to_owned(), settings.into());
    }
    configuration
}

fn path_value(path: &Path) -> Result<toml::Value> {
    Ok(path
        .to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))?
        .into())
}
