//! Which scenarios there are.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::{
    both_sides, compose, control_room, dave_churn, dave_mixed, dave_pair, dave_required, dev_page,
    discord_bridge_killed, element_call, element_call_pair, forged, gateway_drops, homeserver_restart, late_start,
    mute_deaf, mute_to_discord, page_to_page, plain_peer, rejections, rtc_and_voip, rtc_churn, rtc_kill,
    rtc_matrix_2_0, rtc_page_to_page, rtc_sfu_restart, rtc_speech, rtc_two_foci, speaking, standin_page, state_storm,
    two_rooms, udp_cut, unbridged_mid_call, voice_bridge_killed, voice_server_moves, voip_renegotiate, voip_speech,
    voip_three,
};
use crate::clients::Library;
use anyhow::Result;
use futures_util::future::LocalBoxFuture;

/// An end-to-end run with checks of its own.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What it is about; a quick run takes the first of each area.
    pub(super) area: &'static str,
    /// One line for `--list`.
    pub(super) about: &'static str,
    pub(super) run: for<'a> fn(&'a mut Bench) -> LocalBoxFuture<'a, Result<()>>,
}

/// The area of scenarios that need LiveKit.
pub(super) const NEEDS_LIVEKIT: &str = "rtc";
/// The area of scenarios that need Docker.
pub(super) const NEEDS_DOCKER: &str = "docker";

/// All of them, in the order in which they run.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "voip-speech",
        area: "voip",
        about: "a browser calls a bridged room; speech, delay and loss both ways, then a clean end (S1-S4, S6, S7, S9, B2)",
        run: |bench| Box::pin(voip_speech::run(bench)),
    },
    Scenario {
        name: "voip-three",
        area: "voip",
        about: "two browsers and two Discord users take turns, then talk at once; nobody hears himself (S2, B7)",
        run: |bench| Box::pin(voip_three::run(bench)),
    },
    Scenario {
        name: "voip-renegotiate",
        area: "voip",
        about: "a call is put on hold and goes on, restarts ICE, is muted and unmuted, while both sides talk (B2)",
        run: |bench| Box::pin(voip_renegotiate::run(bench)),
    },
    Scenario {
        name: "page-to-page",
        area: "voip",
        about: "one browser calls another in a bridged room: page and checks work, and the bridge leaves the call alone",
        run: |bench| Box::pin(page_to_page::run(bench)),
    },
    Scenario {
        name: "both-sides",
        area: "voip",
        about: "somebody is in the call and in the voice channel at once: she never hears herself come back (S2)",
        run: |bench| Box::pin(both_sides::run(bench)),
    },
    Scenario {
        name: "speaking",
        area: "voip",
        about: "who speaks is seen on the other side: the bridge's ring on Discord, names of Discord users in both kinds of call (S11)",
        run: |bench| Box::pin(speaking::run(bench)),
    },
    Scenario {
        name: "rtc-page-to-page",
        area: NEEDS_LIVEKIT,
        about: "two browsers in a MatrixRTC call of a room without bridges: LiveKit, the way into it, page and checks work (B1)",
        run: |bench| Box::pin(rtc_page_to_page::run(bench, CallKind::Rtc)),
    },
    Scenario {
        name: "rtc-sticky",
        area: NEEDS_LIVEKIT,
        about: "the same where one of the two takes part by a sticky event, and goes another way into LiveKit (B1)",
        run: |bench| Box::pin(rtc_page_to_page::run(bench, CallKind::RtcSticky)),
    },
    Scenario {
        name: "rtc-speech",
        area: NEEDS_LIVEKIT,
        about: "two people in a MatrixRTC call, one by a sticky event, and two Discord users take turns; delays, processor time, then a clean end (B1, B13, S2)",
        run: |bench| Box::pin(rtc_speech::run(bench)),
    },
    Scenario {
        name: "rtc-two-foci",
        area: NEEDS_LIVEKIT,
        about: "the same with one Discord user and the members' voices on two SFUs: all hear all (B1)",
        run: |bench| Box::pin(rtc_two_foci::run(bench)),
    },
    Scenario {
        name: "rtc-and-voip",
        area: NEEDS_LIVEKIT,
        about: "one person in a MatrixRTC call, one in a VoIP v1 call of the same room, one on Discord: all hear all (B1, B2)",
        run: |bench| Box::pin(rtc_and_voip::run(bench)),
    },
    Scenario {
        name: "rtc-matrix-2-0",
        area: NEEDS_LIVEKIT,
        about: "the bridge takes part by a sticky event, beside one who does and one who does not: all hear all (B1)",
        run: |bench| Box::pin(rtc_matrix_2_0::run(bench)),
    },
    Scenario {
        name: "rtc-kill",
        area: NEEDS_LIVEKIT,
        about: "the voice bridge is killed (-9) in a MatrixRTC call: its member is gone within 20 s, back after a start, with voice (B13, B14)",
        run: |bench| Box::pin(rtc_kill::run(bench)),
    },
    Scenario {
        name: "rtc-sfu-restart",
        area: NEEDS_LIVEKIT,
        about: "LiveKit is killed in mid-call and started again: voice is back within 10 s (B1, S10)",
        run: |bench| Box::pin(rtc_sfu_restart::run(bench)),
    },
    Scenario {
        name: "rtc-homeserver-restart",
        area: NEEDS_LIVEKIT,
        about: "the homeserver is away for 30 s in a MatrixRTC call: voice runs on, and a mute and a hang-up afterwards arrive (B1, S10)",
        run: |bench| Box::pin(homeserver_restart::run(bench, "rtc-homeserver-restart", CallKind::Rtc)),
    },
    Scenario {
        name: "rtc-churn",
        area: NEEDS_LIVEKIT,
        about: "30 joins and leaves of a MatrixRTC call, in six of them the bridge comes and goes: nothing leaks (B13)",
        run: |bench| Box::pin(rtc_churn::run(bench)),
    },
    Scenario {
        name: "element-call-pair",
        area: NEEDS_LIVEKIT,
        about: "two people join the call of a room without bridges through Element Call's own interface (B1)",
        run: |bench| Box::pin(element_call_pair::run(bench)),
    },
    Scenario {
        name: "element-call",
        area: NEEDS_LIVEKIT,
        about: "two people join the call of a bridged room through Element Call's own interface; the bridge is on screen with its ring (B1, S2, S6)",
        run: |bench| Box::pin(element_call::run(bench)),
    },
    Scenario {
        name: "dave-libdave",
        area: "dave",
        about: "a browser and a client on Discord's own libdave talk to each other, encrypted on Discord's side (B3)",
        run: |bench| Box::pin(dave_pair::run(bench, Library::Libdave)),
    },
    Scenario {
        name: "dave-discordjs",
        area: "dave",
        about: "a browser and a discord.js client talk to each other, encrypted on Discord's side (B3)",
        run: |bench| Box::pin(dave_pair::run(bench, Library::DiscordJs)),
    },
    Scenario {
        name: "dave-discordpy",
        area: "dave",
        about: "a discord.py client, which can only send, talks to a browser, encrypted on Discord's side (B3)",
        run: |bench| Box::pin(dave_pair::run(bench, Library::DiscordPy)),
    },
    Scenario {
        name: "dave-mixed",
        area: "dave",
        about: "our bridge, discord.js, libdave and discord.py in one encrypted channel take turns; everyone hears everyone (B3)",
        run: |bench| Box::pin(dave_mixed::run(bench)),
    },
    Scenario {
        name: "dave-churn",
        area: "dave",
        about: "members join and leave an encrypted channel twenty times; speech goes on, and what is lost is counted (B3)",
        run: |bench| Box::pin(dave_churn::run(bench)),
    },
    Scenario {
        name: "dave-required",
        area: "dave",
        about: "a client without encryption is turned away, and a bridge that is turned away says why (B3, S8)",
        run: |bench| Box::pin(dave_required::run(bench)),
    },
    Scenario {
        name: "reject-not-bridged",
        area: "signalling",
        about: "rooms without a link, with a stranger's, and whose link was removed: calls stay inside Matrix (S6, S8)",
        run: |bench| Box::pin(rejections::not_bridged::run(bench)),
    },
    Scenario {
        name: "reject-no-capability",
        area: "signalling",
        about: "rooms linked to what cannot carry a call, and a voice server that asks too much (S8)",
        run: |bench| Box::pin(rejections::no_capability::run(bench)),
    },
    Scenario {
        name: "reject-no-permission",
        area: "signalling",
        about: "the bot may not enter, see or speak in the voice channel, or no longer in mid-call (S8)",
        run: |bench| Box::pin(rejections::no_permission::run(bench)),
    },
    Scenario {
        name: "reject-capacity",
        area: "signalling",
        about: "a bridge that carries as many calls as it is set to, or comes late to them, refuses the next and keeps those it has (S8, B12)",
        run: |bench| Box::pin(rejections::capacity::run(bench)),
    },
    Scenario {
        name: "reject-discord-limit",
        area: "signalling",
        about: "a full channel, a closed stage, a bot that is elsewhere in the server, rate limits, a gateway that is gone (S8)",
        run: |bench| Box::pin(rejections::discord_limit::run(bench)),
    },
    Scenario {
        name: "unbridged-mid-call",
        area: "signalling",
        about: "a room's link is removed while people talk: voice stops at once, and the room is told (S8)",
        run: |bench| Box::pin(unbridged_mid_call::run(bench)),
    },
    Scenario {
        name: "mute-deaf",
        area: "signalling",
        about: "a room shows who is in its voice channel, muted, deaf or suppressed, by state events or notices; left-overs are swept (S12)",
        run: |bench| Box::pin(mute_deaf::run(bench)),
    },
    Scenario {
        name: "state-storm",
        area: "signalling",
        about: "60 people join, mute, unmute and leave within 10 s at a homeserver with limits: the last state wins (S12)",
        run: |bench| Box::pin(state_storm::run(bench)),
    },
    Scenario {
        name: "mute-to-discord",
        area: "voip",
        about: "a muted participant sends nothing to Discord, and what nobody hears is neither decoded nor mixed (S12)",
        run: |bench| Box::pin(mute_to_discord::run(bench)),
    },
    Scenario {
        name: "control-room",
        area: "signalling",
        about: "the control room is lost, damaged, or full of strangers; after each of it a call is bridged (S5)",
        run: |bench| Box::pin(control_room::run(bench)),
    },
    Scenario {
        name: "plain-peer",
        area: "signalling",
        about: "a peer in Python that knows only the seed's packets is refused by default, and talks where that is allowed (S1, S3, S8, S9)",
        run: |bench| Box::pin(plain_peer::run(bench)),
    },
    Scenario {
        name: "two-rooms-one-channel",
        area: "signalling",
        about: "two rooms in two guilds over one UDP port: one breaks and hangs up, the other hears nothing of it (S3, S10)",
        run: |bench| Box::pin(two_rooms::run(bench)),
    },
    Scenario {
        name: "forged",
        area: "signalling",
        about: "floods, replays, held-up packets, false events and links of strangers beside a call: nothing is heard or moved (B6, S5, S8)",
        run: |bench| Box::pin(forged::run(bench)),
    },
    Scenario {
        name: "late-start",
        area: "lifecycle",
        about: "a homeserver or a Discord that is away at the start is waited for, and used when it is there (C5)",
        run: |bench| Box::pin(late_start::run(bench)),
    },
    Scenario {
        name: "kill-discord-bridge",
        area: "breaks",
        about: "the Discord bridge is killed (-9) in mid-speech and started again: voice is back within 5 s (S10, B14)",
        run: |bench| Box::pin(discord_bridge_killed::run(bench)),
    },
    Scenario {
        name: "kill-voice-bridge",
        area: "breaks",
        about: "the voice bridge is killed (-9) in mid-speech and takes its call over: voice is back within 10 s (B1, S10)",
        run: |bench| Box::pin(voice_bridge_killed::run(bench)),
    },
    Scenario {
        name: "udp-cut",
        area: "breaks",
        about: "the link between the bridges is dead for 8 s, later a peer's address changes (S10, B6)",
        run: |bench| Box::pin(udp_cut::run(bench)),
    },
    Scenario {
        name: "homeserver-restart",
        area: "breaks",
        about: "the homeserver is away for 30 s in mid-call: voice runs on, and a mute and a hang-up afterwards arrive (S10)",
        run: |bench| Box::pin(homeserver_restart::run(bench, "homeserver-restart", CallKind::Voip)),
    },
    Scenario {
        name: "gateway-drops",
        area: "breaks",
        about: "Discord drops the bot's gateway connection, and asks it to connect anew: voice runs on (S10)",
        run: |bench| Box::pin(gateway_drops::run(bench)),
    },
    Scenario {
        name: "voice-server-moves",
        area: "breaks",
        about: "Discord moves a call to another voice server: voice is back within 3 s (S10)",
        run: |bench| Box::pin(voice_server_moves::run(bench)),
    },
    Scenario {
        name: "dev-page",
        area: "dev",
        about: "the page of `cargo xtask dev`: Call is clicked, states change, Discord is heard, Ctrl-C ends all (C3)",
        run: |bench| Box::pin(dev_page::run(bench)),
    },
    Scenario {
        name: "standin-page",
        area: "dev",
        about: "the page of the local Discord: rings, mutes and who hears whom are shown, speech goes both ways",
        run: |bench| Box::pin(standin_page::run(bench)),
    },
    Scenario {
        name: "compose",
        area: NEEDS_DOCKER,
        about: "`docker-compose up`: the demonstration is heard, speech passes, and it is the same after `down` and `up` (C4)",
        run: |bench| Box::pin(compose::run(bench)),
    },
];
