use std::fmt;

/// Gives the bits that new ids are made of.
///
/// Production draws them at random; a test counts, and so replays.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// Returns 128 bits, of which the low 46 are not returned twice.
    fn mint(&self) -> u128;
}
