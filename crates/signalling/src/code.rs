//! Names that go over the wire: formats and the reasons for a rejection, a break and a close.

/// Declares an enum whose variants are codes on the wire, and which keeps a code it does not know as it came.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A code that this version does not know, as it came from the peer.
            Other(String),
        }

        impl $name {
            /// Every code that this version knows.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)+];

            /// The code as it stands in the event.
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Other(code) => code,
                }
            }

            /// Reads a code; one that is not known is kept, never guessed at.
            pub fn from_code(code: &str) -> Self {
                match code {
                    $($code => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The code from a closed list, so that it can be a metric's label: what is not known is `other`.
            pub const fn label(&self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Other(_) => "other",
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

codes! {
    /// How the packets of a channel look; the asking side offers a list, the answering side chooses one.
    Format {
        /// The base packet with Opus in `d`, sealed with AES-256-GCM.
        SealedOpusAes = "sealed-opus-aes256gcm",
        /// The same, sealed with ChaCha20-Poly1305.
        SealedOpusChaCha = "sealed-opus-chacha20poly1305",
        /// The base packet as it is, in clear, with Opus in `d`.
        PlainOpus = "plain-opus",
    }
}

impl Format {
    /// Whether its packets are sealed, so that offer and accept each bring a key share.
    pub const fn is_sealed(&self) -> bool {
        matches!(self, Self::SealedOpusAes | Self::SealedOpusChaCha)
    }
}

codes! {
    /// Why the answering side opens no channel (requirement S8).
    RejectReason {
        /// The room is not bridged to a voice channel, or the link is not from a trusted sender.
        NotBridged = "not_bridged",
        /// The room was bridged and is not any more.
        NoLongerBridged = "no_longer_bridged",
        /// What the room is bridged to cannot do calls, or this bridge cannot.
        NoCapability = "no_capability",
        /// The bridge may not enter, see or speak in the voice channel.
        NoPermission = "no_permission",
        /// This bridge carries as many calls as it can.
        AtCapacity = "at_capacity",
        /// Discord refused for a reason of its own; the text has its words.
        DiscordLimit = "discord_limit",
        /// None of the offered formats is known here or allowed.
        NoCommonFormat = "no_common_format",
        /// The request has a version that this side does not speak.
        UnsupportedVersion = "unsupported_version",
        /// The request could not be read; the text names the field.
        Malformed = "malformed",
        /// Something failed that is nobody's fault but this bridge's.
        InternalError = "internal_error",
    }
}

impl RejectReason {
    /// The reason to close a channel that runs, where this one stands in the way of entering its voice channel again;
    /// none where it may pass.
    pub const fn lasting(&self) -> Option<CloseReason> {
        match self {
            Self::AtCapacity | Self::DiscordLimit | Self::InternalError => None,
            Self::NotBridged | Self::NoLongerBridged => Some(CloseReason::NoLongerBridged),
            Self::NoPermission => Some(CloseReason::NoPermission),
            Self::NoCapability | Self::NoCommonFormat | Self::UnsupportedVersion | Self::Malformed | Self::Other(_) => {
                Some(CloseReason::DiscordLimit)
            }
        }
    }
}

codes! {
    /// Why an epoch of a channel does not work any more (requirement S10).
    BrokenReason {
        /// Nothing was heard for too long, not even a keep-alive.
        Silent = "silent",
        /// Packets cannot be sent to the peer's address.
        SendFailed = "send_failed",
        /// The sender does not know this channel: it was restarted.
        UnknownChannel = "unknown_channel",
        /// The answering side was thrown out of the voice channel, and enters it anew.
        VoiceLost = "voice_lost",
    }
}

codes! {
    /// Why a channel is over for good.
    CloseReason {
        /// The call on the asking side is over.
        CallEnded = "call_ended",
        /// The link between the room and the voice channel was removed.
        NoLongerBridged = "no_longer_bridged",
        /// The permission to be in the voice channel was taken away.
        NoPermission = "no_permission",
        /// Discord ended it for a reason of its own; the text has its words.
        DiscordLimit = "discord_limit",
        /// The other side did not answer in time.
        Timeout = "timeout",
        /// The channel broke and could not be brought back in time.
        GaveUp = "gave_up",
        /// The bridge is being shut down.
        Shutdown = "shutdown",
        /// A newer request of the same room took this one's place.
        Superseded = "superseded",
        /// The sender knows nothing of this transaction, or is done with it.
        UnknownTransaction = "unknown_transaction",
        /// The offer chose a format that was not offered.
        NoCommonFormat = "no_common_format",
        /// Something failed that is nobody's fault but the sender's.
        InternalError = "internal_error",
    }
}
