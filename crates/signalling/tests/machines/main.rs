//! The two machines by their behaviour: each alone, both together, and both over a hostile room.

mod answering;
mod asking;
mod bench;
mod hostile_room;
mod pair;
mod voice_lost;
