//! What MediaConnect keeps, and what it refuses.
