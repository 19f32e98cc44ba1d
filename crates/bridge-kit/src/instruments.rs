//! Every instrument of the kit: both bridges have them.

crate::instruments! {
    /// What the kit counts and measures in either bridge.
    Gauge<1> TASKS("vdp_tasks", "tasks", ["kind"], "Tasks that are alive, by what they do");
    Counter<1> TASK_PANICS("vdp_task_panics_total", "tasks", ["kind"], "Tasks that panicked, by what they did; each is a bug");
    Gauge<1> COMPONENT_READY("vdp_component_ready", "0 or 1", ["component"], "Whether a component of `/ready` works");

    Counter<0> MATRIX_RETRIES("vdp_matrix_retries_total", "requests", [], "Requests to the homeserver that were sent again");
    Histogram<0> MATRIX_REQUEST("vdp_matrix_request_seconds", "seconds", [], "Time from a request to the homeserver to its answer, one attempt");
    Counter<1> MATRIX_TRANSACTIONS("vdp_matrix_transactions_total", "transactions", ["outcome"], "Transactions of the homeserver, by outcome");
    Counter<1> MATRIX_EVENTS("vdp_matrix_events_total", "events", ["outcome"], "Events in transactions, by outcome");
    Counter<1> MATRIX_INVITATIONS("vdp_matrix_invitations_total", "invitations", ["answer"], "Invitations of the bot, by answer");
    Counter<0> MATRIX_CHORES_DROPPED("vdp_matrix_chores_dropped_total", "invitations", [], "Invitations that came too fast to be answered");
    Counter<1> CONTROL_IGNORED("vdp_control_ignored_total", "events", ["why"], "What was ignored around the control room, by reason");

    Gauge<0> CHANNELS_OPEN("vdp_signalling_channels_open", "rooms", [], "Rooms whose channel is open");
    Counter<0> OPENED("vdp_signalling_opened_total", "epochs", [], "Epochs of channels that were opened");
    Counter<1> REJECTED("vdp_signalling_rejected_total", "requests", ["reason"], "Requests for a channel that were rejected, by reason");
    Counter<1> BROKEN("vdp_signalling_broken_total", "epochs", ["reason"], "Epochs of channels that broke, by reason");
    Counter<1> CLOSED("vdp_signalling_closed_total", "channels", ["reason"], "Channels that were closed, by reason");
    Histogram<0> NEGOTIATION("vdp_signalling_negotiation_seconds", "seconds", [], "Time from asking for an epoch, or its break, until one is open");
    Counter<1> EVENTS_SENT("vdp_signalling_events_sent_total", "events", ["kind"], "Signalling events sent, by type");
    Counter<1> EVENTS_UNSENT("vdp_signalling_send_failures_total", "events", ["kind"], "Signalling events that could not be sent, by type");
    Counter<1> EVENTS_RECEIVED("vdp_signalling_events_received_total", "events", ["kind"], "Signalling events received that could be read, by type");
    Counter<1> EVENTS_IGNORED("vdp_signalling_events_ignored_total", "events", ["why"], "Signalling events received that had no effect, by reason");

    Gauge<0> LINKS_OPEN("vdp_links_open", "rooms", [], "Rooms whose voice is exchanged over VDP now");
    Counter<0> PACKETS_SENT("vdp_packets_sent_total", "packets", [], "VDP packets sent, keep-alives included");
    Counter<0> PACKETS_UNSENT("vdp_send_failures_total", "packets", [], "VDP packets that could not be sent");
    Counter<0> PACKETS_WITHHELD("vdp_packets_withheld_total", "packets", [], "Voice packets not sent because the peer's address had not proven itself");
    Counter<0> PACKETS_RECEIVED("vdp_packets_received_total", "packets", [], "VDP packets received for an open channel, each once");
    Counter<0> PACKETS_LOST("vdp_packets_lost_total", "packets", [], "VDP packets that were skipped by the ones after them");
    Counter<0> PACKETS_LATE("vdp_packets_late_total", "packets", [], "VDP packets counted as lost that came late");
    Counter<1> PACKETS_DROPPED("vdp_packets_dropped_total", "packets", ["reason"], "Received VDP packets that were dropped, by reason");

    Gauge<0> MEDIA_ROOMS("voice_media_rooms", "rooms", [], "Rooms on the media threads");
    Counter<1> MEDIA_FRAMES("voice_media_frames_total", "packets", ["kind"], "Opus packets, by what became of them");
    Counter<0> MEDIA_MUTED("voice_media_muted_total", "packets", [], "Packets of muted participants, which went no further");
    Counter<0> MEDIA_OVERFLOWED("voice_media_overflowed_total", "packets", [], "Packets dropped because the queue of their room was full");
    Counter<0> MEDIA_PANICS("voice_media_panics_total", "rooms", [], "Rooms ended by a panic of their engine or of a sink; each is a bug");
    Histogram<0> MEDIA_LATENESS("voice_media_lateness_seconds", "seconds", [], "How long deadlines and packets of rooms waited for their thread");
    Counter<0> MEDIA_LATE("voice_media_late_wakeups_total", "times", [], "Frames of 20 ms in which something waited more than 10 ms for its thread");
}
