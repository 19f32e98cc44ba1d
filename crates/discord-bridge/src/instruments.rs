//! Every instrument of this bridge.

bridge_kit::instruments! {
    /// What this bridge counts and measures, beside what the kit does.
    Gauge<0> CHANNELS("voice_discord_channels_joined", "voice channels", [], "Voice channels that the bot is in");
    Counter<0> LINES_LOST("voice_discord_lines_lost_total", "connections", [], "Connections to voice servers that ended while they were needed");
    Counter<0> RECEIVED("voice_discord_packets_received_total", "packets", [], "Voice packets from Discord that went on to a room");
    Counter<0> SENT("voice_discord_packets_sent_total", "packets", [], "Voice packets that went on to Discord");
    Counter<0> CONCEALED("voice_discord_ticks_concealed_total", "ticks", [], "20 ms ticks inside a talk spurt that had no packet for Discord");
    Counter<0> TRIMMED("voice_discord_packets_trimmed_total", "packets", [], "Packets for Discord dropped because they stood in the queue");
    Gauge<0> PRESENCE_SHOWN("voice_discord_presence_shown", "people", [], "People in voice channels whom rooms show, or are about to");
    Counter<0> PRESENCE_CHANGES("voice_discord_presence_changes_total", "changes", [], "Changes of people in voice channels that rooms were to show; of several to one person only the last is written");
    Counter<1> PRESENCE_WRITTEN("voice_discord_presence_writes_total", "events", ["outcome"], "State events, notices and statuses about people in calls, by what became of them");
    Counter<1> DROPPED("voice_discord_packets_dropped_total", "packets", ["reason"], "Packets dropped in either direction, by reason");
}
