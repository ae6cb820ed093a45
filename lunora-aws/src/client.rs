//! How Lunora calls AWS: over which TLS, how long, and how often.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{Builder, tls};

/// How often a call is tried in all.
const ATTEMPTS_MAX: u32 = 4;
/// Longer than a first SYN and its repetition after 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// With all its attempts and the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// What every client of this crate is made from.
///
/// Credentials, region and endpoints are found as by every tool of AWS: in the
/// environment, in the profile, from the role of the machine. `AWS_ENDPOINT_URL`
/// points it at an emulator. Nothing is sent until credentials are needed.
///
/// TLS is rustls over `ring` with the system's certificate authorities. A call
/// has 10 s in all and up to four attempts of 5 s; no call on a port hangs.
pub async fn sdk_config() -> SdkConfig {
    let https = Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    // A newer version changes defaults, so it is chosen and not `latest`.
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts)
        .load()
        .await
}
