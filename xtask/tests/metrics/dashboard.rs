//! The Grafana dashboard asks for instruments that there are, in the way that their kinds want.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Row, read, root, rows};

/// What Prometheus itself adds to our labels.
const LABELS_OF_PROMETHEUS: [&str; 2] = ["instance", "le"];

fn dashboard() -> Value {
    serde_json::from_str(&read(&root().join("deploy/grafana/vdp.json"))).expect("JSON")
}

/// Every query below a value of the dashboard.
fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(query) if key == "expr" || key == "query" => vec![query.clone()],
                _ => queries(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with a query.
fn faults(query: &str, instruments: &BTreeMap<String, Row>) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut faults = Vec::new();
    let mut labels = LABELS_OF_PROMETHEUS.map(str::to_owned).to_vec();
    let names = query.match_indices("vdp_").chain(query.match_indices("voice_"));
    let mut seen = false;
    for (at, _) in names.filter(|(at, _)| !query[..*at].ends_with(word)) {
        seen = true;
        let name: String = query[at..].chars().take_while(|c| word(*c)).collect();
        let before = &query[..at];
        let in_rate = before.ends_with("rate(") || before.ends_with("increase(");
        let bucket = name
            .strip_suffix("_bucket")
            .filter(|name| instruments.contains_key(*name));
        let Some(instrument) = instruments.get(bucket.unwrap_or(&name)) else {
            faults.push(format!("{name} is no instrument"));
            continue;
        };
        let right = match instrument.kind.as_str() {
            "counter" => in_rate,
            "gauge" => !in_rate,
            _ => in_rate && bucket.is_some() && query.starts_with("histogram_quantile("),
        };
        if !right {
            faults.push(format!("{name} is a {}, and not asked for like one", instrument.kind));
        }
        labels.extend(instrument.labels.iter().cloned());
    }
    if !seen {
        faults.push("it asks for nothing".to_owned());
    }
    let groups = query.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    for label in groups.flat_map(|(group, _)| group.split(", ")) {
        if !labels.iter().any(|known| known == label) {
            faults.push(format!("nothing in it has the label {label}"));
        }
    }
    faults
}

#[test]
fn every_query_is_about_instruments_that_there_are() {
    let instruments = rows().into_iter().map(|row| (row.name.clone(), row)).collect();
    let queries: Vec<String> = queries(&dashboard())
        .into_iter()
        .filter(|query| query != "prometheus")
        .collect();
    assert!(queries.len() > 30, "{}", queries.len());
    for query in queries {
        assert_eq!(faults(&query, &instruments), Vec::<String>::new(), "{query}");
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let place = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().unwrap();
    for (number, panel) in panels.iter().enumerate() {
        for other in &panels[number + 1..] {
            assert_ne!(panel["id"], other["id"]);
            let apart = |at: &str, size: &str| {
                place(panel, at) + place(panel, size) <= place(other, at)
                    || place(other, at) + place(other, size) <= place(panel, at)
            };
            assert!(
                apart("x", "w") || apart("y", "h"),
                "{} {}",
                panel["title"],
                other["title"]
            );
        }
        assert!(place(panel, "x") + place(panel, "w") <= 24);
    }
}

#[test]
fn the_check_sees_what_it_looks_for() {
    let row = |name: &str, kind: &str, labels: &[&str]| {
        let labels = labels.iter().map(ToString::to_string).collect();
        let (name, kind) = (name.to_owned(), kind.to_owned());
        (name.clone(), Row { name, kind, labels })
    };
    let instruments = BTreeMap::from([
        row("vdp_lost_total", "counter", &["reason"]),
        row("vdp_open", "gauge", &[]),
        row("vdp_work_seconds", "histogram", &[]),
    ]);
    for sound in [
        "sum by (instance, reason) (rate(vdp_lost_total[1m]))",
        "sum(vdp_open{instance=~\"a\"})",
        "histogram_quantile(0.5, sum by (le) (rate(vdp_work_seconds_bucket[1m])))",
    ] {
        assert_eq!(faults(sound, &instruments), Vec::<String>::new(), "{sound}");
    }
    for broken in [
        "up",
        "rate(vdp_found_total[1m])",
        "vdp_lost_total",
        "rate(vdp_open[1m])",
        "sum by (kind) (rate(vdp_lost_total[1m]))",
        "rate(vdp_work_seconds_bucket[1m])",
        "histogram_quantile(0.5, rate(vdp_work_seconds[1m]))",
    ] {
        assert_eq!(faults(broken, &instruments).len(), 1, "{broken}");
    }
}
