//! What a connection and its peer agree on: offers and answers, in both directions.

use std::fmt;

use bridge_kit::media::Channels;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};

use super::connection::{AudioLine, Connection};
use super::inlets::Inlets;
use super::notes;
use super::sdp::{self, StreamIds};

/// Why a description of the peer's cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It is no session description, or one that breaks the rules.
    #[error("the description cannot be read: {0}")]
    Unreadable(String),
    /// It has no audio in Opus.
    #[error("the description has no Opus audio")]
    NoAudio,
    /// It answers no offer of ours.
    #[error("there is no offer to answer")]
    NoOffer,
}

/// A description of our end, to be sent to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDescription {
    /// The session description, with all our candidates in it.
    pub sdp: String,
    /// The id of our stream in it.
    pub stream_id: String,
    /// The id of our track in it.
    pub track_id: String,
}

impl Connection {
    /// Keeps the stream that `ours` describes, a description that an earlier connection to the peer has sent.
    ///
    /// Browsers go on playing a stream that they know, and do not report one that takes its place in a section.
    #[must_use]
    pub fn under_stream_of(mut self, ours: &str) -> Self {
        if let Some(ids) = StreamIds::of(ours) {
            self.ids = ids;
        }
        self
    }

    /// Answers an offer: the first, or a later one (ICE restart, hold, another direction). An offer of ours that
    /// is still open gives way to it.
    ///
    /// After an error on a later one the session goes on as it was agreed before.
    pub fn accept(&mut self, offer: &str) -> Result<LocalDescription, DescriptionError> {
        self.offered = None;
        let (offer, candidates) = sdp::split_candidates(offer);
        let answer = self.agree(&offer)?;
        self.claim();
        for line in candidates {
            self.add_candidate(line);
        }
        Ok(self.describe(&answer))
    }

    /// Offers to connect anew, in the place of an earlier connection to the same peer that is lost.
    ///
    /// `theirs` is what the peer described last, be it an offer or an answer: it says which sections, codecs and
    /// roles are agreed on. Its candidates belong to the lost way and are left alone.
    pub fn propose(&mut self, theirs: &str) -> Result<LocalDescription, DescriptionError> {
        let (theirs, _) = sdp::split_candidates(theirs);
        self.agree(&theirs)?;
        self.offer_restart()
    }

    /// Offers our voice to a peer who gives none in the same session, as a forwarding server.
    pub fn offer(&mut self) -> Result<LocalDescription, DescriptionError> {
        let mut change = self.rtc.sdp_api();
        change.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        if self.notes.is_some() {
            change.add_channel(notes::LABEL.to_owned());
        }
        let offer = change.apply();
        self.claim();
        self.keep_offer(offer)
    }

    /// Offers to look for a new path for a session that was agreed on before.
    pub fn offer_restart(&mut self) -> Result<LocalDescription, DescriptionError> {
        let mut change = self.rtc.sdp_api();
        change.ice_restart(true);
        let offer = change.apply();
        self.keep_offer(offer)
    }

    /// Takes the peer's answer to an offer of ours.
    pub fn conclude(&mut self, answer: &str) -> Result<(), DescriptionError> {
        let offered = self.offered.take().ok_or(DescriptionError::NoOffer)?;
        let (answer, candidates) = sdp::split_candidates(answer);
        let answer = SdpAnswer::from_sdp_string(&answer).map_err(unreadable)?;
        let described = answer.to_sdp_string();
        let agreed = self.rtc.sdp_api().accept_answer(offered, answer);
        agreed.map_err(unreadable)?;
        self.run();
        if self.audio.is_none() {
            self.audio = Some(self.find_audio(&described).ok_or(DescriptionError::NoAudio)?);
        }
        self.note_channels(&described);
        self.claim();
        for line in candidates {
            self.add_candidate(line);
        }
        Ok(())
    }

    /// Adds one of the peer's candidates; one that cannot be used is counted and skipped.
    pub fn add_candidate(&mut self, line: &str) {
        if let Some(candidate) = self.candidates.read(line) {
            self.rtc.add_remote_candidate(candidate);
            self.run();
        }
    }

    fn keep_offer(&mut self, offer: Option<(SdpOffer, SdpPendingOffer)>) -> Result<LocalDescription, DescriptionError> {
        let (offer, pending) = offer.ok_or(DescriptionError::NoOffer)?;
        self.offered = Some(pending);
        Ok(self.describe(&offer.to_sdp_string()))
    }

    /// Has str0m answer a description, and notes where the voice is.
    fn agree(&mut self, theirs: &str) -> Result<String, DescriptionError> {
        let offer = SdpOffer::from_sdp_string(theirs).map_err(unreadable)?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(unreadable)?;
        self.run();
        let answer = answer.to_sdp_string();
        if self.audio.is_none() {
            self.audio = self.find_audio(&answer);
        }
        if self.audio.is_none() && !self.inlets.as_ref().is_some_and(Inlets::may_be_empty) {
            return Err(DescriptionError::NoAudio);
        }
        self.listen(theirs, &answer);
        self.note_channels(theirs);
        Ok(answer)
    }

    /// Notes whether the peer wants to hear stereo.
    fn note_channels(&self, theirs: &str) {
        let Some(line) = self.audio else { return };
        let channels = if sdp::wants_stereo(theirs, &line.mid) {
            Channels::Stereo
        } else {
            Channels::Mono
        };
        self.reception
            .send_if_modified(|reception| std::mem::replace(&mut reception.channels, channels) != channels);
    }

    /// Notes where the peer's voices are, and whose they are.
    fn listen(&mut self, theirs: &str, answer: &str) {
        let agreed: Vec<&str> = sdp::audio_mids(answer).collect();
        for (name, track) in sdp::audio_tracks(theirs).filter(|(name, _)| agreed.contains(name)) {
            let line = self.audio_line(Mid::from(name));
            if let (Some(AudioLine { mid, pt }), Some(inlets)) = (line, &mut self.inlets) {
                inlets.open(mid, pt, track.unwrap_or_default());
            }
        }
    }

    /// Claims what the peer sends to our present ICE user name.
    fn claim(&mut self) {
        let ufrag = self.rtc.direct_api().local_ice_credentials().ufrag;
        self.line.claim(&ufrag);
    }

    fn describe(&self, sdp: &str) -> LocalDescription {
        LocalDescription {
            sdp: sdp::finish(sdp, &self.ids),
            stream_id: self.ids.stream.clone(),
            track_id: self.ids.track.clone(),
        }
    }

    /// The first section in which both ends have Opus.
    fn find_audio(&self, answer: &str) -> Option<AudioLine> {
        sdp::audio_mids(answer).find_map(|mid| self.audio_line(Mid::from(mid)))
    }

    fn audio_line(&self, mid: Mid) -> Option<AudioLine> {
        let agreed = self.rtc.media(mid)?.remote_pts();
        let opus = self
            .rtc
            .codec_config()
            .find(|params| params.spec().codec == Codec::Opus && agreed.contains(&params.pt()))?;
        Some(AudioLine { mid, pt: opus.pt() })
    }
}

fn unreadable(error: impl fmt::Display) -> DescriptionError {
    DescriptionError::Unreadable(error.to_string())
}
