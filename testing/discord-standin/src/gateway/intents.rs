//! Gateway intents: which events a session gets.

pub(crate) const GUILDS: u64 = 1 << 0;
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
pub(crate) const GUILD_VOICE_STATES: u64 = 1 << 7;
pub(crate) const GUILD_PRESENCES: u64 = 1 << 8;
pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;

/// Every intent that exists; a bit outside closes the connection with 4013.
pub(crate) const KNOWN: u64 = 0x0371_ffff;
/// Intents that a bot gets only where its owner has switched them on; without, they close it with 4014.
pub(crate) const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;

/// Privileged intents by name, each with the flag that an application shows for it.
const NAMES: [(&str, u64, u64); 3] = [
    ("GUILD_PRESENCES", GUILD_PRESENCES, 1 << 13),
    ("GUILD_MEMBERS", GUILD_MEMBERS, 1 << 15),
    ("MESSAGE_CONTENT", MESSAGE_CONTENT, 1 << 19),
];

/// The privileged intents of these names.
///
/// # Errors
/// The first name that is none.
pub(crate) fn privileged(names: &[String]) -> Result<u64, String> {
    names.iter().try_fold(0, |set, name| {
        let found = NAMES.iter().find(|(known, ..)| known == name);
        found.map(|(_, intent, _)| set | intent).ok_or_else(|| name.clone())
    })
}

/// The flags of an application that has these privileged intents, as one in fewer than 100 guilds.
pub(crate) fn application_flags(privileged: u64) -> u64 {
    let held = NAMES.iter().filter(|(_, intent, _)| privileged & intent != 0);
    held.fold(0, |flags, (.., flag)| flags | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileged_intents_have_names_and_nothing_else_has() {
        let all: Vec<_> = NAMES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(privileged(&all), Ok(PRIVILEGED));
        assert_eq!(privileged(&["GUILDS".to_owned()]), Err("GUILDS".to_owned()));
        assert_eq!(application_flags(MESSAGE_CONTENT | GUILDS), 1 << 19);
    }
}
