//! What browsers and matrix-js-sdk need in a description and str0m does not write, and what str0m cannot read in one.

use rand::Rng;
use rand::distr::{Alphanumeric, SampleString};

/// Characters of an id that is made up.
const ID_LENGTH: usize = 24;

/// The ids under which our stream goes out, chosen anew for each call.
///
/// str0m repeats the caller's ids in its answer, and matrix-js-sdk drops a remote stream that has the id of one
/// of its own: the caller would hear nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamIds {
    pub(super) stream: String,
    pub(super) track: String,
}

impl StreamIds {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        Self {
            stream: Alphanumeric.sample_string(rng, ID_LENGTH),
            track: Alphanumeric.sample_string(rng, ID_LENGTH),
        }
    }

    /// The ids of the first audio stream in a description.
    pub(super) fn of(sdp: &str) -> Option<Self> {
        let (stream, track) = sections(sdp)
            .find(|section| section.starts_with("audio "))
            .and_then(msid)?;
        Some(Self {
            stream: stream.to_owned(),
            track: track.to_owned(),
        })
    }
}

/// A description without its candidate lines, and those lines.
///
/// They are taken out because one that cannot be parsed (`*.local`) would spoil the whole description.
pub(super) fn split_candidates(sdp: &str) -> (String, Vec<&str>) {
    let (candidates, rest): (Vec<&str>, Vec<&str>) = sdp
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && *line != "a=end-of-candidates")
        .partition(|line| line.starts_with("a=candidate:"));
    (join(&rest), candidates)
}

/// The names of the audio sections that are not rejected, in order.
pub(super) fn audio_mids(sdp: &str) -> impl Iterator<Item = &str> {
    audio_tracks(sdp).map(|(mid, _)| mid)
}

/// The names of the audio sections that are not rejected, in order, each with the id of its track.
pub(super) fn audio_tracks(sdp: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    sections(sdp)
        .filter(|section| section.starts_with("audio ") && !section.starts_with("audio 0 "))
        .filter_map(|section| Some((mid_of(section)?, msid(section).map(|(_, track)| track))))
}

/// Whether the peer wants to hear stereo in a section: without `stereo=1` among the parameters of Opus it does not (RFC
/// 7587, section 6.1).
pub(super) fn wants_stereo(sdp: &str, mid: &str) -> bool {
    let Some(section) = sections(sdp).find(|section| mid_of(section) == Some(mid)) else {
        return false;
    };
    let attributes = |name: &'static str| {
        section
            .lines()
            .filter_map(move |line| line.strip_prefix(name)?.split_once(' '))
    };
    let opus = attributes("a=rtpmap:").filter(|(_, codec)| codec.to_ascii_lowercase().starts_with("opus/48000"));
    opus.map(|(payload_type, _)| payload_type).any(|opus| {
        let parameters = attributes("a=fmtp:").filter(|(payload_type, _)| *payload_type == opus);
        parameters
            .flat_map(|(_, parameters)| parameters.split(';'))
            .any(|parameter| parameter.trim() == "stereo=1")
    })
}

fn mid_of(section: &str) -> Option<&str> {
    let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"))?;
    Some(mid.trim_end())
}

fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.split("\nm=").skip(1)
}

/// The stream and the track of a section (RFC 8830).
fn msid(section: &str) -> Option<(&str, &str)> {
    let msid = section.lines().find_map(|line| line.strip_prefix("a=msid:"))?;
    msid.trim_end().split_once(' ')
}

/// Turns str0m's description into the one that is sent: our own ids on the audio, 20 ms packets asked for,
/// and no media where we have none to give (video).
pub(super) fn finish(sdp: &str, ids: &StreamIds) -> String {
    let mut lines = Vec::new();
    let mut section = Section::Session;
    for line in sdp.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            section = Section::of(media);
        }
        match section {
            Section::Session => lines.push(session_line(line, ids)),
            Section::Audio => audio_line(line, ids, &mut lines),
            Section::Application => lines.push(line.to_owned()),
            Section::Unwanted => lines.extend(unwanted_line(line)),
        }
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    join(&lines)
}

#[derive(Debug, Clone, Copy)]
enum Section {
    Session,
    Audio,
    Application,
    Unwanted,
}

impl Section {
    fn of(media: &str) -> Self {
        match media.split(' ').next() {
            Some("audio") => Self::Audio,
            Some("application") => Self::Application,
            _ => Self::Unwanted,
        }
    }
}

fn session_line(line: &str, ids: &StreamIds) -> String {
    if line.starts_with("a=msid-semantic:") {
        return format!("a=msid-semantic: WMS {}", ids.stream);
    }
    line.to_owned()
}

fn audio_line(line: &str, ids: &StreamIds, lines: &mut Vec<String>) {
    let StreamIds { stream, track } = ids;
    if line.starts_with("a=msid:") {
        lines.push(format!("a=msid:{stream} {track}"));
    } else if let Some((ssrc, _)) = line.split_once(" msid:") {
        lines.push(format!("{ssrc} msid:{stream} {track}"));
    } else if line == "a=rtcp-mux" {
        // Discord takes 20 ms packets and nothing else; what comes in that length passes untouched.
        lines.extend([line, "a=ptime:20", "a=maxptime:20"].map(str::to_owned));
    } else {
        lines.push(line.to_owned());
    }
}

/// A section that stays in the answer, because the sections of offer and answer correspond (RFC 3264 §6),
/// but carries nothing. `None`: the line is left out.
fn unwanted_line(line: &str) -> Option<String> {
    match line {
        "a=sendrecv" | "a=sendonly" | "a=recvonly" => Some("a=inactive".to_owned()),
        _ if line.starts_with("a=msid:") || line.starts_with("a=ssrc") => None,
        _ => Some(line.to_owned()),
    }
}

fn join(lines: &[&str]) -> String {
    let mut text = lines.join("\r\n");
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\n\
        o=str0m-0.25.0 1 2 IN IP4 0.0.0.0\r\n\
        a=group:BUNDLE 0 1\r\n\
        a=msid-semantic: WMS theirs\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\n\
        a=sendrecv\r\n\
        a=msid:theirs theirtrack\r\n\
        a=rtcp-mux\r\n\
        a=ssrc:42 cname:x\r\n\
        a=ssrc:42 msid:theirs theirtrack\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
        a=mid:1\r\n\
        a=sendrecv\r\n\
        a=msid:theirs theirvideo\r\n\
        a=rtcp-mux\r\n\
        a=ssrc:43 msid:theirs theirvideo\r\n\
        a=ssrc-group:FID 43 44\r\n";

    fn finished() -> Vec<String> {
        let ids = StreamIds {
            stream: "ours".into(),
            track: "ourtrack".into(),
        };
        let answer = finish(ANSWER, &ids);
        assert!(answer.ends_with("\r\n"));
        answer.lines().map(str::to_owned).collect()
    }

    #[test]
    fn b2_the_callers_ids_are_gone_from_the_answer() {
        let lines = finished();
        assert!(lines.iter().all(|line| !line.contains("their")), "{lines:#?}");
        for wanted in [
            "a=msid-semantic: WMS ours",
            "a=msid:ours ourtrack",
            "a=ssrc:42 msid:ours ourtrack",
            "a=ssrc:42 cname:x",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted}");
        }
    }

    #[test]
    fn b14_the_ids_of_a_description_can_be_kept() {
        let finished = finished().join("\r\n");
        let ids = StreamIds::of(&finished).expect("ids");
        assert_eq!((ids.stream.as_str(), ids.track.as_str()), ("ours", "ourtrack"));
        for nothing in [
            "",
            "v=0\r\nm=video 9 X 96\r\na=msid:a b\r\n",
            "v=0\r\nm=audio 9 X 1\r\na=msid:a\r\n",
        ] {
            assert_eq!(StreamIds::of(nothing), None);
        }
    }

    #[test]
    fn b2_twenty_milliseconds_are_asked_for_in_the_audio_section_only() {
        let lines = finished();
        let video = lines.iter().position(|l| l.starts_with("m=video")).expect("video");
        let (audio, video) = lines.split_at(video);
        for wanted in ["a=ptime:20", "a=maxptime:20", "a=sendrecv"] {
            assert!(audio.iter().any(|line| line == wanted), "{wanted}");
            assert!(video.iter().all(|line| line != wanted), "{wanted}");
        }
    }

    #[test]
    fn b2_video_is_answered_inactive() {
        let lines = finished();
        let video = lines.iter().position(|l| l.starts_with("m=video")).expect("video");
        let video = lines.get(video..).expect("section");
        assert!(video.iter().any(|line| line == "a=inactive"));
        assert!(video.iter().all(|line| !line.contains("ssrc")));
    }

    #[test]
    fn audio_sections_are_found_by_name() {
        let rejected = ANSWER.replace("m=audio 9", "m=audio 0");
        assert_eq!(audio_mids(ANSWER).collect::<Vec<_>>(), ["0"]);
        assert_eq!(audio_mids(&rejected).count(), 0);
        assert_eq!(audio_mids("").count(), 0);
        let tracks: Vec<_> = audio_tracks(ANSWER).collect();
        assert_eq!(tracks, [("0", Some("theirtrack"))]);
        let streamless = ANSWER.replace("a=msid:", "a=other:");
        assert_eq!(audio_tracks(&streamless).collect::<Vec<_>>(), [("0", None)]);
    }

    #[test]
    fn candidates_are_split_from_an_offer_and_nothing_else_is() {
        let offer =
            "v=0\r\nm=audio 9 X 111\r\na=candidate:1 1 udp 1 x.local 9 typ host\r\na=mid:0\r\na=end-of-candidates\r\n";
        let (rest, candidates) = split_candidates(offer);
        assert_eq!(candidates, ["a=candidate:1 1 udp 1 x.local 9 typ host"]);
        assert_eq!(rest, "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\n");
    }

    #[test]
    fn b8_stereo_is_for_those_who_ask_for_it() {
        let sdp = |parameters: &str| {
            format!(
                "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 112\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n\
                 a=fmtp:111 {parameters}\r\na=rtpmap:112 red/48000/2\r\na=fmtp:112 stereo=1\r\n"
            )
        };
        for (parameters, stereo) in [
            ("minptime=10;useinbandfec=1", false),
            ("minptime=10;stereo=1;useinbandfec=1", true),
            ("minptime=10; stereo=1", true),
            ("sprop-stereo=1", false),
            ("stereo=0", false),
        ] {
            assert_eq!(wants_stereo(&sdp(parameters), "0"), stereo, "{parameters}");
        }
        assert!(!wants_stereo(&sdp("stereo=1"), "1"), "another section");
    }
}
