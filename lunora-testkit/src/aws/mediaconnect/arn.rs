use super::super::simulator::{ACCOUNT, REGION};

/// Makes names up that are never used again.
#[derive(Default)]
pub(super) struct Arns {
    minted: u64,
}

impl Arns {
    pub(super) fn next_number(&self) -> u64 {
        self.minted + 1
    }

    /// The ARN of a new `flow`, `output`, `source` or `entitlement`.
    pub(super) fn mint(&mut self, kind: &str, name: &str) -> String {
        self.minted += 1;
        // Spread over all digits, as real ones are; the factor is odd, so no two are equal.
        let id = self.minted.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (high, low) = (id, id >> 16 & 0xFFFF_FFFF_FFFF);
        format!("arn:aws:mediaconnect:{REGION}:{ACCOUNT}:{kind}:1-{high:016x}-{low:012x}:{name}")
    }
}
