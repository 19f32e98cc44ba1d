//! `docs/signalling.md` says what the code does: its examples are read, its tables of codes are complete.

use serde_json::Value;
use signalling::{BrokenReason, ChannelRecord, CloseReason, Event, Format, Mark, Member, RejectReason, Timing, names};

const SPEC: &str = include_str!("../../../docs/signalling.md");

/// The JSON examples, each with the type in the heading above it.
fn examples() -> Vec<(String, Value)> {
    let mut examples = Vec::new();
    let mut heading = String::new();
    let mut block: Option<String> = None;
    for line in SPEC.lines() {
        match (&mut block, line) {
            (Some(_), "```") => {
                let text = block.take().expect("a block");
                let content = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{heading}: {error}"));
                examples.push((heading.clone(), content));
            }
            (Some(text), line) => text.push_str(line),
            (None, "```json") => block = Some(String::new()),
            (None, line) => {
                if let Some(title) = line.strip_prefix("### ") {
                    title.trim_matches('`').clone_into(&mut heading);
                }
            }
        }
    }
    examples
}

/// The codes of the table under a heading.
fn table(heading: &str) -> Vec<String> {
    let section = SPEC.split_once(heading).expect("the heading").1;
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).expect("a code").to_owned())
        .collect()
}

#[test]
fn every_example_is_read_and_written_as_it_stands() {
    let examples = examples();
    for kind in [
        names::REQUEST,
        names::OFFER,
        names::ACCEPT,
        names::REJECT,
        names::PEOPLE,
        names::AUDIENCE,
        names::BROKEN,
        names::CLOSE,
    ] {
        let of_kind: Vec<_> = examples.iter().filter(|(heading, _)| heading == kind).collect();
        assert!(!of_kind.is_empty(), "{kind} has no example");
        for (_, content) in of_kind {
            let event = Event::from_json(kind, content)
                .expect("readable")
                .expect("a known type");
            assert_eq!(&event.to_json(), content);
        }
    }
}

#[test]
fn the_examples_of_state_are_read_and_written_as_they_stand() {
    let examples = examples();
    let of_kind = |kind: &str| {
        &examples
            .iter()
            .find(|(heading, _)| heading == kind)
            .expect("an example")
            .1
    };
    let mark = of_kind(names::CONTROL);
    assert_eq!(&Mark::from_json(mark).expect("readable").to_json(), mark);
    let record = of_kind(names::CHANNEL);
    assert_eq!(
        &ChannelRecord::from_json(record)
            .expect("readable")
            .expect("open")
            .to_json(),
        record
    );
    let member = of_kind(names::MEMBER);
    let read = Member::from_json(member).expect("readable").expect("there");
    assert_eq!(&read.to_json(), member);
    assert_eq!(Member::state_key(&read.user_id), format!("_{}", read.user_id));
    assert_eq!(Member::from_json(&Member::none()), Ok(None));
}

#[test]
fn the_tables_name_every_code_and_no_other() {
    fn codes<T>(known: &[T], code: fn(&T) -> &str) -> Vec<&str> {
        known.iter().map(code).collect()
    }
    assert_eq!(
        table("### Why a request is rejected"),
        codes(RejectReason::KNOWN, RejectReason::code)
    );
    assert_eq!(
        table("### Why an epoch is broken"),
        codes(BrokenReason::KNOWN, BrokenReason::code)
    );
    assert_eq!(
        table("### Why a channel is closed"),
        codes(CloseReason::KNOWN, CloseReason::code)
    );
    assert_eq!(table("## Formats"), codes(Format::KNOWN, Format::code));
}

#[test]
fn the_timers_are_the_defaults() {
    let timing = Timing::default();
    let row = |name: &str| {
        let found = SPEC
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")))
            .expect("a row");
        found.split('|').nth(3).expect("a default").trim().to_owned()
    };
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    assert_eq!(row("admission"), seconds(timing.admit_within));
    assert_eq!(row("give up, opening"), seconds(timing.open_within));
    assert_eq!(row("give up, recovering"), seconds(timing.recover_within));
    assert_eq!(row("resume"), seconds(timing.resume_within));
    assert_eq!(
        (row("request repeat"), row("offer repeat")),
        ("2, 4, 8, 8 … s".to_owned(), "2, 4, 8, 8 … s".to_owned())
    );
    assert_eq!((timing.repeat.first.as_secs(), timing.repeat.most.as_secs()), (2, 8));
    assert_eq!(row("renegotiate"), "0, 1, 2, 4, 8, 8 … s");
    assert_eq!(
        (timing.renegotiate.first.as_secs(), timing.renegotiate.most.as_secs()),
        (1, 8)
    );
}
