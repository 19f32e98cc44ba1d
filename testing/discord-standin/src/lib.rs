//! A local Discord for tests and demonstrations: REST, gateway, voice gateway and UDP voice.
