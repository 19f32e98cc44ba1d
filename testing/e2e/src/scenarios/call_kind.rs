//! By what people call from browsers.

/// By what somebody calls from his browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind<'a> {
    /// By `m.call` events.
    Voip,
    /// By MatrixRTC and a state event, as Element Call's mode `compatibility` has it; such members get in by `/sfu/get`.
    Rtc,
    /// By MatrixRTC and a sticky event (MSC4354), as its mode `matrix_2_0` has it; such members get in by `/get_token`.
    RtcSticky,
    /// Like [`CallKind::Rtc`], his own voice at the focus with this address and not at that of his homeserver.
    RtcAt(&'a str),
}

impl CallKind<'_> {
    /// Whether the page tells its members apart.
    pub(crate) fn is_rtc(self) -> bool {
        self != Self::Voip
    }

    /// What it adds to the page's address.
    pub(super) fn parameters(self) -> String {
        match self {
            Self::Voip => String::new(),
            Self::Rtc => "&rtc=1".to_owned(),
            Self::RtcSticky => "&rtc=1&sticky=1".to_owned(),
            Self::RtcAt(focus) => format!("&rtc=1&focus={focus}"),
        }
    }
}
