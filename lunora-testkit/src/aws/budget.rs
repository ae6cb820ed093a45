//! How many calls an account may make: MediaConnect's and MediaLive's quotas.

use jiff::Timestamp;

use super::wire::Service;

/// The calls of one account in one region that are left.
#[derive(Debug)]
pub(super) struct Budgets {
    reads: Bucket,
    others: Bucket,
    medialive: Bucket,
}

/// Those of MediaConnect that are steady at 30 a second.
const READS: [&str; 2] = ["DescribeFlow", "DescribeFlowSourceMetadata"];

impl Budgets {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            reads: Bucket::new(30, 30, now),
            others: Bucket::new(5, 30, now),
            medialive: Bucket::new(20, 40, now),
        }
    }

    /// Whether there is a call left; takes it.
    pub(super) fn take(&mut self, service: Service, operation: &str, now: Timestamp) -> bool {
        let bucket = match service {
            Service::MediaLive => &mut self.medialive,
            Service::MediaConnect if READS.contains(&operation) => &mut self.reads,
            Service::MediaConnect => &mut self.others,
        };
        bucket.take(now)
    }
}

/// Counts in thousandths of a call, so that a millisecond refills a whole number.
#[derive(Debug)]
struct Bucket {
    per_second: i64,
    full: i64,
    left: i64,
    at: Timestamp,
}

impl Bucket {
    const fn new(per_second: i64, burst: i64, at: Timestamp) -> Self {
        let full = burst * 1000;
        Self {
            per_second,
            full,
            left: full,
            at,
        }
    }

    fn take(&mut self, now: Timestamp) -> bool {
        let elapsed = now.as_millisecond() - self.at.as_millisecond();
        // A clock that is set back refills nothing.
        let refill = elapsed.max(0).saturating_mul(self.per_second);
        self.left = self.left.saturating_add(refill).min(self.full);
        self.at = now;
        if self.left < 1000 {
            return false;
        }
        self.left -= 1000;
        true
    }
}
