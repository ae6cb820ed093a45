//! Keeps secrets out of what a server says.
