use std::fmt;

/// Gives the bits that new ids are made of.
///
/// Production draws them at random; a test counts, and so replays.
///
/// # Contract
///
/// 1. Of what it returns, the low 46 bits do not come twice, whoever asks.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// Returns 128 bits.
    fn mint(&self) -> u128;
}
