//! What MediaLive keeps, and what it refuses.
