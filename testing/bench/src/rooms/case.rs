//! How many rooms there are, and how many speak in each.

/// So many rooms, and so many who speak in each.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// How many speak.
    pub speakers: usize,
    /// Everybody in a room, the far end of VDP last.
    pub parties: usize,
    /// How many rooms.
    pub rooms: usize,
    /// Whether Janus can do as much on two cores.
    pub beside_janus: bool,
}

/// All cases.
pub const CASES: [Case; 7] = [
    Case::new("one-10", 1, 10, true),
    Case::new("one-40", 1, 40, true),
    Case::new("one-400", 1, 400, false),
    Case::new("two-10", 2, 10, true),
    Case::new("two-20", 2, 20, true),
    Case::new("five-5", 5, 5, true),
    Case::new("five-10", 5, 10, true),
];

impl Case {
    /// Three parties, or one more than speak.
    const fn new(name: &'static str, speakers: usize, rooms: usize, beside_janus: bool) -> Self {
        let parties = if speakers < 2 { 3 } else { speakers + 1 };
        Self {
            name,
            speakers,
            parties,
            rooms,
            beside_janus,
        }
    }

    /// The first party that hears somebody: who speaks alone hears nobody.
    pub const fn first_listener(&self) -> usize {
        if self.speakers == 1 { 1 } else { 0 }
    }

    /// What tables call it.
    pub fn title(&self) -> String {
        format!("{} with {} of {} speaking", self.rooms, self.speakers, self.parties)
    }

    /// The figure that tells how the bridge stands to a system in this case.
    pub fn figure(&self, system: &str) -> Option<String> {
        let name = self.name.replace('-', "_");
        match system.split([',', ' ']).next() {
            Some("Janus") => Some(format!("{name}_of_janus")),
            Some("bare") => Some(format!("{name}_of_forwarder")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_named_after_case_and_system() {
        let case = CASES[1];
        assert_eq!(case.figure("Janus, prebuffering 2").unwrap(), "one_40_of_janus");
        assert_eq!(case.figure("bare forwarder").unwrap(), "one_40_of_forwarder");
        assert_eq!(case.figure("bridge, mono"), None);
    }

    #[test]
    fn whoever_speaks_has_listeners() {
        for case in CASES {
            assert!(case.parties > case.speakers, "{}", case.name);
        }
    }
}
