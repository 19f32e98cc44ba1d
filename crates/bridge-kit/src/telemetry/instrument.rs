//! Instruments: what a program counts and measures, each declared once with its name, its unit and what it means.
//!
//! Each crate declares its own in one file, by [`instruments!`](crate::instruments), and `docs/metrics.md` is written
//! from these files. Values of labels are texts of the program, never of the network, so that no user id and no address
//! becomes one and their number stays bounded.

pub mod document;

pub use metrics::Counter as CounterHandle;
use metrics::{Label, Unit};

/// What an instrument does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It counts what has happened since the start.
    Counter,
    /// It tells what is now.
    Gauge,
    /// It sorts what it measures into buckets.
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// Whether a name ends as Prometheus has it for such an instrument; a histogram has buckets of seconds.
    const fn takes(self, name: &str) -> bool {
        match self {
            Self::Counter => ends(name, "_total"),
            Self::Gauge => !ends(name, "_total"),
            Self::Histogram => ends(name, "_seconds"),
        }
    }
}

const fn ends(text: &str, end: &str) -> bool {
    let (mut text, mut end) = (text.as_bytes(), end.as_bytes());
    while let [end_rest @ .., wanted] = end {
        match text {
            [text_rest @ .., found] if *found == *wanted => text = text_rest,
            _ => return false,
        }
        end = end_rest;
    }
    true
}

/// An instrument as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instrument {
    /// What it does.
    pub kind: Kind,
    /// Its name in `/metrics`.
    pub name: &'static str,
    /// What one of it is: `"packets"`, `"seconds"`.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub about: &'static str,
}

impl Instrument {
    /// Tells the recorder what the instrument means. One without labels shows from now on, as 0 until it says more:
    /// that nothing has happened is a statement, too.
    pub(super) fn describe(&self) {
        let unit = if self.unit == "seconds" {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, unit, self.about),
            Kind::Gauge => metrics::describe_gauge!(self.name, unit, self.about),
            Kind::Histogram => metrics::describe_histogram!(self.name, unit, self.about),
        }
        match (self.kind, self.labels) {
            (Kind::Counter, []) => drop(metrics::counter!(self.name)),
            (Kind::Gauge, []) => drop(metrics::gauge!(self.name)),
            _ => {}
        }
    }
}

macro_rules! handle {
    ($(#[$about:meta])* $kind:ident, $get:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub struct $kind<const LABELS: usize> {
            name: &'static str,
            labels: &'static [&'static str; LABELS],
            unit: &'static str,
            about: &'static str,
        }

        impl<const LABELS: usize> $kind<LABELS> {
            /// Declares one; [`instruments!`](crate::instruments) does it.
            ///
            /// # Panics
            /// Where the name does not end as Prometheus has it, so that such a constant is not compiled.
            pub const fn new(
                name: &'static str,
                unit: &'static str,
                labels: &'static [&'static str; LABELS],
                about: &'static str,
            ) -> Self {
                assert!(Kind::$kind.takes(name), "the name does not end as Prometheus has it");
                Self { name, labels, unit, about }
            }

            /// How people know it.
            pub const fn instrument(&self) -> Instrument {
                let Self { name, labels, unit, about } = *self;
                Instrument { kind: Kind::$kind, name, unit, labels, about }
            }

            /// The instrument with these values of its labels. This allocates: keep what is used for every packet.
            pub fn with(&self, values: [&'static str; LABELS]) -> metrics::$kind {
                let labels = self.labels.iter().zip(values);
                let labels: Vec<Label> = labels.map(|(name, value)| Label::from_static_parts(name, value)).collect();
                metrics::$get!(self.name, labels)
            }
        }

        impl $kind<0> {
            /// The instrument.
            pub fn get(&self) -> metrics::$kind {
                metrics::$get!(self.name)
            }
        }
    };
}

handle!(
    /// An instrument that counts what has happened; `LABELS` is how many labels it has.
    Counter,
    counter
);
handle!(
    /// An instrument that tells what is now; `LABELS` is how many labels it has.
    Gauge,
    gauge
);
handle!(
    /// An instrument that sorts what it measures into buckets; `LABELS` is how many labels it has.
    Histogram,
    histogram
);

/// Declares the instruments of a crate, and `INSTRUMENTS`, which lists them all.
///
/// A line is a kind, the name in the code, and in parentheses the name in `/metrics`, the unit, the labels and the meaning:
///
/// ```
/// bridge_kit::instruments! {
///     /// Of this example.
///     Counter<1> SOLD("shop_sold_total", "apples", ["colour"], "Apples that were sold, by colour");
/// }
/// SOLD.with(["red"]).increment(1);
/// assert_eq!(INSTRUMENTS[0].unit, "apples");
/// ```
#[macro_export]
macro_rules! instruments {
    ($(#[$about:meta])* $($kind:ident<$count:literal> $constant:ident($name:literal, $unit:literal, $labels:expr, $text:literal);)*) => {
        $(
            pub(crate) const $constant: $crate::telemetry::instrument::$kind<$count> =
                $crate::telemetry::instrument::$kind::new($name, $unit, &$labels, $text);
        )*

        $(#[$about])*
        pub const INSTRUMENTS: &[$crate::telemetry::instrument::Instrument] = &[$($constant.instrument()),*];
    };
}
