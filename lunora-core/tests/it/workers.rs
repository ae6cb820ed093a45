//! Several workers at once, at every step of each other.
