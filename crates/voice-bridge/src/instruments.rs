//! Every instrument of this bridge.

bridge_kit::instruments! {
    /// What this bridge counts and measures, beside what the kit does.
    Gauge<0> CALLS("voice_bridge_calls", "calls", [], "Calls that run, at most one a room");
    Gauge<1> PARTICIPANTS("voice_bridge_participants", "participants", ["kind"], "Who takes part in calls, by kind: `voip` and `matrixrtc` are people's devices, `sfu` is an SFU on which some of them are");
    Counter<0> ERRANDS_DROPPED("voice_bridge_errands_dropped_total", "errands", [], "Things to be asked of the homeserver that came too fast");

    Gauge<0> VOIP_CALLS("voice_voip_calls", "calls", [], "VoIP calls that ring or run");
    Counter<1> VOIP_ENDED("voice_voip_calls_ended_total", "calls", ["reason"], "VoIP calls that ended, by reason");
    Counter<0> VOIP_TAKEN_OVER("voice_voip_calls_taken_over_total", "calls", [], "VoIP calls that an earlier run had answered and this one went on with");
    Counter<0> VOIP_EVENTS("voice_voip_events_total", "events", [], "`m.call.*` events that were read");
    Counter<1> VOIP_IGNORED("voice_voip_events_ignored_total", "events", ["why"], "`m.call.*` events that had no effect, by reason");

    Counter<0> MATRIXRTC_IGNORED("voice_matrixrtc_events_ignored_total", "events", [], "Events about calls over an SFU that could not be read");

    Gauge<0> LIVEKIT_SESSIONS("voice_livekit_sessions", "sessions", [], "LiveKit sessions that exist");
    Counter<0> LIVEKIT_JOINS("voice_livekit_joins_total", "joins", [], "LiveKit rooms that were entered, the same one anew included");
    Counter<0> LIVEKIT_RESUMES("voice_livekit_resumes_total", "connections", [], "Signal connections opened to resume a LiveKit session");
    Counter<0> LIVEKIT_INTERRUPTIONS("voice_livekit_interruptions_total", "times", [], "Times that the bridge's voice did not get through to a LiveKit room");
    Counter<1> LIVEKIT_ENDED("voice_livekit_sessions_ended_total", "sessions", ["reason"], "LiveKit sessions that ended, by reason");
    Counter<2> LIVEKIT_PATHS("voice_livekit_path_changes_total", "changes", ["side", "state"], "Changes of a LiveKit session's media paths, by side and state");
    Counter<1> LIVEKIT_ODDITIES("voice_livekit_oddities_total", "messages", ["kind"], "Things of LiveKit servers that had no effect, by kind");
    Counter<0> LIVEKIT_UNHEARD("voice_livekit_packets_unheard_total", "packets", [], "Voice packets of LiveKit tracks that nobody was told of");

    Gauge<0> WEBRTC_CONNECTIONS("voice_webrtc_connections", "connections", [], "WebRTC connections that exist");
    Counter<1> WEBRTC_DROPPED("voice_webrtc_datagrams_dropped_total", "datagrams", ["reason"], "Datagrams on the WebRTC port that went nowhere, by reason");
    Counter<1> WEBRTC_SKIPPED("voice_webrtc_candidates_skipped_total", "candidates", ["reason"], "ICE candidates of peers that cannot be used, by reason");
    Counter<0> WEBRTC_UNSENT("voice_webrtc_packets_unsent_total", "packets", [], "Voice packets that a WebRTC connection could not send");
    Counter<0> WEBRTC_UNHEARD("voice_webrtc_packets_unheard_total", "packets", [], "Voice packets that a WebRTC connection was too slow to take");
    Counter<1> WEBRTC_ERRORS("voice_webrtc_errors_total", "inputs", ["stage"], "Inputs that a WebRTC connection refused, by stage");
}
