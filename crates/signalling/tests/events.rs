//! Events and their JSON: what is written can be read, what is wrong is named, what is unknown is ignored.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use signalling::{
    Accept, Audience, Avatar, Body, Broken, BrokenReason, Channel, ChannelId, ChannelRecord, Close, CloseReason, End,
    Event, EventError, Extensions, Format, Header, KeyShare, MAX_NAME, MAX_PEOPLE, Mark, Member, Offer, Person,
    PersonId, Problem, Refusal, RejectReason, Request, SpeakerId, TransactionId, names,
};

const CHANNEL: Channel = Channel {
    id: ChannelId(0x0123_4567_89ab_cdef),
    epoch: 2,
};

fn header() -> Header {
    Header {
        room_id: "!room:example.org".to_owned(),
        transaction_id: TransactionId::new("t1").expect("an id"),
        format: Format::PlainOpus,
    }
}

fn address() -> SocketAddr {
    "192.0.2.1:29400".parse().expect("an address")
}

/// An end in the plain form, which has no share.
fn bare(address: SocketAddr) -> End {
    End {
        address,
        share: None,
        extensions: Extensions::NONE,
    }
}

fn person(id: &str) -> Person {
    Person::new(PersonId::new(id).expect("an id"))
}

fn one_of_each() -> Vec<Event> {
    let bodies = [
        Body::Request(Request {
            formats: vec![Format::PlainOpus, Format::Other("later".to_owned())],
            after_epoch: 7,
        }),
        Body::Offer(Offer {
            channel: CHANNEL,
            end: bare(address()),
        }),
        Body::Accept(Accept {
            channel: CHANNEL,
            end: bare("[2001:db8::1]:1".parse().expect("an address")),
        }),
        Body::Reject(Refusal::new(RejectReason::AtCapacity, "full").retry_after(Duration::from_secs(30))),
        Body::Broken(Broken {
            channel: CHANNEL,
            reason: BrokenReason::Silent,
            text: String::new(),
        }),
        Body::Close(Close {
            channel: Some(CHANNEL),
            reason: CloseReason::CallEnded,
            text: "bye".to_owned(),
        }),
        Body::Close(Close {
            channel: None,
            reason: CloseReason::Timeout,
            text: String::new(),
        }),
        Body::People(vec![
            Person {
                speaker: SpeakerId::new(62),
                avatar: Avatar::new("https://cdn.example.org/a.webp"),
                ..person("80351110224678912").named("Döra")
            },
            person("!"),
        ]),
        Body::People(Vec::new()),
        Body::Audience(CHANNEL, Audience::UNKNOWN),
        Body::Audience(
            CHANNEL,
            Audience {
                listening: false,
                bitrate: Some(96_000),
            },
        ),
    ];
    bodies.map(|body| Event { header: header(), body }).to_vec()
}

fn read(kind: &str, content: &Value) -> Result<Event, EventError> {
    Event::from_json(kind, content).map(|event| event.expect("a known type"))
}

fn problem(kind: &str, content: &Value) -> Problem {
    read(kind, content).expect_err("an error").problem
}

/// A content that can be read, with one field changed.
fn with(event: &Event, field: &str, value: Value) -> Value {
    let mut content = event.to_json();
    content
        .as_object_mut()
        .expect("an object")
        .insert(field.to_owned(), value);
    content
}

fn without(event: &Event, field: &str) -> Value {
    let mut content = event.to_json();
    content.as_object_mut().expect("an object").remove(field);
    content
}

#[test]
fn what_is_written_is_read_back() {
    for event in one_of_each() {
        assert_eq!(read(event.kind(), &event.to_json()), Ok(event));
    }
}

#[test]
fn s4_every_event_carries_room_format_version_and_transaction() {
    for event in one_of_each() {
        let content = event.to_json();
        assert_eq!(content["version"], 1, "{}", event.kind());
        assert_eq!(content["format"], "plain-opus");
        assert_eq!(content["room_id"], "!room:example.org");
        assert_eq!(content["transaction_id"], "t1");
        for field in ["version", "format", "room_id", "transaction_id"] {
            let expected = Problem::Missing { path: field.to_owned() };
            assert_eq!(
                problem(event.kind(), &without(&event, field)),
                expected,
                "{}",
                event.kind()
            );
        }
    }
}

#[test]
fn every_type_is_under_the_prefix_and_others_are_none_of_ours() {
    for event in one_of_each() {
        assert!(event.kind().starts_with(names::PREFIX));
    }
    assert_eq!(Event::from_json("vdp.channel.later", &json!({})), Ok(None));
    assert_eq!(Event::from_json("m.room.message", &json!({})), Ok(None));
}

#[test]
fn unknown_fields_are_ignored() {
    for event in one_of_each() {
        let content = with(&event, "later", json!({ "x": [1] }));
        assert_eq!(read(event.kind(), &content), Ok(event));
    }
}

#[test]
fn a_missing_or_ill_typed_field_is_named_with_its_path() {
    let offer = &one_of_each()[1];
    for field in ["channel_id", "epoch", "address", "port"] {
        assert_eq!(
            problem(names::OFFER, &without(offer, field)),
            Problem::Missing { path: field.to_owned() }
        );
    }
    let error = read(names::OFFER, &with(offer, "port", json!("29400"))).expect_err("an error");
    assert_eq!(error.to_string(), "vdp.channel.offer: `port` is not a whole number");
    let request = &one_of_each()[0];
    let error = read(names::REQUEST, &with(request, "formats", json!(["plain-opus", 7]))).expect_err("an error");
    assert_eq!(error.to_string(), "vdp.channel.request: `formats[1]` is not a string");
    assert_eq!(problem(names::OFFER, &json!("text")), Problem::NotAnObject);
}

#[test]
fn values_that_cannot_be_are_refused() {
    let offer = &one_of_each()[1];
    let cases = [
        ("room_id", json!("room")),
        ("room_id", json!(format!("!{}", "x".repeat(255)))),
        ("transaction_id", json!("")),
        ("transaction_id", json!("x".repeat(129))),
        ("transaction_id", json!("with space")),
        ("format", json!("")),
        ("channel_id", json!("0123456789ABCDEF")),
        ("channel_id", json!("123")),
        ("epoch", json!(0)),
        ("epoch", json!(4_294_967_296_u64)),
        ("address", json!("localhost")),
        ("address", json!("0.0.0.0")),
        ("address", json!("224.0.0.1")),
        ("address", json!("255.255.255.255")),
        ("address", json!("::")),
        ("port", json!(0)),
        ("port", json!(65_536)),
    ];
    for (field, value) in cases {
        let found = problem(names::OFFER, &with(offer, field, value.clone()));
        assert!(
            matches!(&found, Problem::Invalid { path, .. } if path == field),
            "{field} = {value}: {found}"
        );
    }
    let request = &one_of_each()[0];
    for formats in [json!([]), json!(vec!["f"; 17])] {
        let found = problem(names::REQUEST, &with(request, "formats", formats));
        assert!(
            matches!(&found, Problem::Invalid { path, .. } if path == "formats"),
            "{found}"
        );
    }
}

#[test]
fn optional_fields_have_their_defaults() {
    let content = json!({ "version": 1, "format": "plain-opus", "room_id": "!r:h", "transaction_id": "t" });
    let Body::Request(request) = read(names::REQUEST, &content).expect("a request").body else {
        panic!("a request");
    };
    assert_eq!(
        request,
        Request {
            formats: vec![Format::PlainOpus],
            after_epoch: 0
        }
    );
}

#[test]
fn codes_that_are_not_known_are_kept_as_they_came() {
    let reject = &one_of_each()[3];
    let Body::Reject(refusal) = read(names::REJECT, &with(reject, "reason", json!("too_loud")))
        .expect("one")
        .body
    else {
        panic!("a rejection");
    };
    assert_eq!(refusal.reason, RejectReason::Other("too_loud".to_owned()));
    assert_eq!((refusal.reason.code(), refusal.reason.label()), ("too_loud", "other"));
    for known in RejectReason::KNOWN {
        assert_eq!(RejectReason::from_code(known.code()), *known);
    }
}

#[test]
fn half_a_channel_is_an_error_in_a_close() {
    let close = &one_of_each()[5];
    assert_eq!(
        problem(names::CLOSE, &without(close, "epoch")),
        Problem::Missing {
            path: "epoch".to_owned()
        }
    );
}

#[test]
fn long_text_is_cut_at_a_character() {
    let reject = &one_of_each()[3];
    let content = with(reject, "text", json!("ä".repeat(900)));
    let Body::Reject(refusal) = read(names::REJECT, &content).expect("a rejection").body else {
        panic!("a rejection");
    };
    assert_eq!(refusal.text, "ä".repeat(500));
}

#[test]
fn a_wrong_version_or_a_broken_request_is_rejected_by_name() {
    let request = &one_of_each()[0];
    let cases = [
        (
            with(request, "version", json!(2)),
            RejectReason::UnsupportedVersion,
            "version 2 is not spoken here",
        ),
        (
            with(request, "version", json!("1")),
            RejectReason::UnsupportedVersion,
            "version \"1\" is not spoken",
        ),
        (
            with(request, "formats", json!(3)),
            RejectReason::Malformed,
            "`formats` is not a list",
        ),
        (
            without(request, "version"),
            RejectReason::Malformed,
            "`version` is missing",
        ),
    ];
    for (content, reason, text) in cases {
        let rejection = read(names::REQUEST, &content)
            .expect_err("an error")
            .rejection()
            .expect("a rejection");
        assert_eq!(rejection.header.transaction_id.as_str(), "t1");
        let Body::Reject(refusal) = rejection.body else {
            panic!("a rejection")
        };
        assert_eq!(refusal.reason, reason);
        assert!(refusal.text.contains(text), "{}", refusal.text);
    }
}

#[test]
fn what_cannot_be_answered_gets_no_rejection() {
    let [request, offer, ..] = &one_of_each()[..] else {
        panic!("events")
    };
    let nameless = read(names::REQUEST, &without(request, "transaction_id")).expect_err("an error");
    assert_eq!(nameless.rejection(), None);
    let no_request = read(names::OFFER, &with(offer, "version", json!(2))).expect_err("an error");
    assert_eq!(no_request.rejection(), None);
}

#[test]
fn the_mark_names_both_bridges() {
    let mark = Mark {
        asker: "@voice:h".to_owned(),
        answerer: "@discord:h".to_owned(),
    };
    assert_eq!(Mark::from_json(&mark.to_json()), Ok(mark));
    let error = Mark::from_json(&json!({ "version": 1, "asker": "@voice:h" })).expect_err("an error");
    assert_eq!(error.to_string(), "vdp.control: `answerer` is missing");
}

#[test]
fn the_record_of_an_open_channel_is_read_back_and_emptied() {
    let record = ChannelRecord {
        header: header(),
        channel: CHANNEL,
        answerer: address(),
        asker: "[::1]:29400".parse().expect("an address"),
    };
    let mut content = record.to_json();
    assert_eq!(ChannelRecord::from_json(&content), Ok(Some(record)));
    assert_eq!(ChannelRecord::from_json(&ChannelRecord::none()), Ok(None));
    content["asker"]["port"] = json!(0);
    let error = ChannelRecord::from_json(&content).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "vdp.channel: `asker.port` is not a number from 1 to 65535"
    );
}

fn sealed() -> [Event; 2] {
    let end = End {
        address: address(),
        share: Some(KeyShare([0xfb; 32])),
        extensions: Extensions::ALL,
    };
    let header = Header {
        format: Format::SealedOpusChaCha,
        ..header()
    };
    [
        Body::Offer(Offer { channel: CHANNEL, end }),
        Body::Accept(Accept { channel: CHANNEL, end }),
    ]
    .map(|body| Event {
        header: header.clone(),
        body,
    })
}

#[test]
fn offer_and_accept_of_the_sealed_form_bring_a_share() {
    for event in sealed() {
        let content = event.to_json();
        assert_eq!(content["share"], "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s");
        assert_eq!(read(event.kind(), &content), Ok(event.clone()));
        let expected = Problem::Missing {
            path: "share".to_owned(),
        };
        assert_eq!(problem(event.kind(), &without(&event, "share")), expected);
        for wrong in [
            "",
            "+/v7",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "not base64 at all",
        ] {
            let found = problem(event.kind(), &with(&event, "share", json!(wrong)));
            assert!(matches!(found, Problem::Invalid { .. }), "{wrong}: {found:?}");
        }
    }
}

#[test]
fn the_plain_form_ignores_a_share() {
    let [_, offer, ..] = &one_of_each()[..] else {
        panic!("an offer")
    };
    assert_eq!(
        read(offer.kind(), &with(offer, "share", json!("?"))).as_ref(),
        Ok(offer)
    );
}

#[test]
fn an_audience_says_whether_it_listens_and_has_a_bitrate_of_opus() {
    let said = Event {
        header: header(),
        body: Body::Audience(CHANNEL, Audience::UNKNOWN.within(64_000)),
    };
    let path = |content: &Value| match problem(names::AUDIENCE, content) {
        Problem::Missing { path } | Problem::WrongType { path, .. } | Problem::Invalid { path, .. } => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path(&without(&said, "listening")), "listening");
    assert_eq!(path(&with(&said, "listening", json!("no"))), "listening");
    assert_eq!(path(&without(&said, "epoch")), "epoch");
    for bitrate in [json!(5_999), json!(510_001), json!(-1), json!("64000")] {
        assert_eq!(path(&with(&said, "bitrate", bitrate)), "bitrate");
    }
    assert_eq!(Audience::UNKNOWN.within(1).bitrate, Some(6_000));
    assert_eq!(Audience::UNKNOWN.within(u32::MAX).bitrate, Some(510_000));
}

#[test]
fn the_people_of_a_voice_channel_are_at_most_256_and_have_readable_ids() {
    let people = |people: Value| {
        let content = Event {
            header: header(),
            body: Body::People(Vec::new()),
        };
        read(names::PEOPLE, &with(&content, "people", people))
    };
    let many = |count: usize| (0..count).map(|id| json!({ "id": id.to_string() })).collect();
    let most = people(many(MAX_PEOPLE)).expect("people");
    assert!(matches!(most.body, Body::People(people) if people.len() == MAX_PEOPLE));
    for (wrong, path) in [
        (many(MAX_PEOPLE + 1), "people"),
        (json!("everybody"), "people"),
        (json!([{ "id": "1" }, "2"]), "people[1]"),
        (json!([{}]), "people[0].id"),
        (json!([{ "id": "" }]), "people[0].id"),
        (json!([{ "id": "a b" }]), "people[0].id"),
        (json!([{ "id": "1".repeat(65) }]), "people[0].id"),
        (json!([{ "id": "1", "speaker": 63 }]), "people[0].speaker"),
        (json!([{ "id": "1", "speaker": -1 }]), "people[0].speaker"),
        (json!([{ "id": "1", "speaker": "0" }]), "people[0].speaker"),
        (json!([{ "id": "1", "name": 1 }]), "people[0].name"),
        (json!([{ "id": "1", "avatar": "http://a.example" }]), "people[0].avatar"),
        (
            json!([{ "id": "1", "avatar": format!("https://{}", "a".repeat(249)) }]),
            "people[0].avatar",
        ),
    ] {
        let error = people(wrong).expect_err(path);
        assert!(error.to_string().contains(&format!("`{path}`")), "{error}");
    }
}

/// S12: who is shown needs an id and a time; switches that are left out are off.
#[test]
fn a_member_is_read_with_what_is_left_out() {
    let content = json!({ "version": 1, "id": "7", "user_id": "@ghost:h", "since": 5, "unknown": [] });
    let member = Member::from_json(&content).expect("readable").expect("there");
    assert_eq!(
        (member.id.as_str(), member.display_name.as_str(), member.since),
        ("7", "", 5)
    );
    assert!(!member.bot && !member.self_mute && !member.self_deaf && !member.server_mute && !member.suppressed);
    assert_eq!((&member.avatar, &member.avatar_url), (&None, &None));
    assert_eq!(Member::from_json(&member.to_json()), Ok(Some(member)));
    for (field, value, path) in [
        ("id", json!("with space"), "id"),
        ("since", json!(-1), "since"),
        ("self_mute", json!("yes"), "self_mute"),
        ("display_name", json!(7), "display_name"),
    ] {
        let mut wrong = content.clone();
        wrong[field] = value;
        let error = Member::from_json(&wrong).expect_err("an error");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn s11_names_are_cut_and_lose_what_cannot_be_shown() {
    let long = person("1").named(&"ö".repeat(100));
    assert_eq!(long.name.map(|name| name.len()), Some(MAX_NAME));
    assert_eq!(person("1").named("a\u{7}b\n").name.as_deref(), Some("ab"));
    assert_eq!(person("1").named("\n").name, None);
}

#[test]
fn s11_what_an_old_reader_knows_of_people_is_as_it_was() {
    let content = Event {
        header: header(),
        body: Body::People(vec![person("1")]),
    }
    .to_json();
    assert_eq!(content["people"], json!([{ "id": "1" }]));
}

#[test]
fn s11_extension_keys_that_are_not_known_are_left_out() {
    let [_, offer, ..] = &one_of_each()[..] else {
        panic!("an offer")
    };
    assert!(offer.to_json().get("extensions").is_none(), "none is no list");
    let listed = read(offer.kind(), &with(offer, "extensions", json!(["t", "v", "later"])));
    let Ok(Event {
        body: Body::Offer(Offer { end, .. }),
        ..
    }) = listed
    else {
        panic!("an offer")
    };
    let level = Extensions {
        level: true,
        speakers: false,
    };
    assert_eq!(end.extensions, level);
    assert_eq!(end.extensions.and(Extensions::ALL), level);
    assert_eq!(end.extensions.and(Extensions::NONE), Extensions::NONE);
    for wrong in [json!("s"), json!([]), json!(vec!["s"; 17]), json!([""])] {
        assert!(read(offer.kind(), &with(offer, "extensions", wrong)).is_err());
    }
}
