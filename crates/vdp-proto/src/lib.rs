//! The Voice Data Protocol: packets, sequence windows and the channel table, without any I/O.
