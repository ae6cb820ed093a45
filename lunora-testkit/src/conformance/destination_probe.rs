//! The contract of [`DestinationProbe`], clause by clause.
//!
//! It is asked about loopback addresses: some where nobody listens, and some
//! where the suite listens and says nothing. So the adapter has to be one that
//! may call this machine.

use std::{
    future::Future,
    io::{ErrorKind::WouldBlock, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use lunora_core::{
    SecretString,
    domain::{Aspect, Finding, Outcome, PushTarget, StreamKey},
    port::{Depth, DestinationProbe, ErrorKind, PortError},
};
use tokio::time::timeout;

use super::{
    ingest_controller::{assert_clean, chain},
    source_probe::assert_orderly,
};
use crate::sample::{self, CANARY};

/// Makes one test per clause of the contract of
/// [`DestinationProbe`](lunora_core::port::DestinationProbe).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! destination_probe_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [destination_probe], [$(#[$attribute])*], $fixture,
            [
                a_look_at_the_name_calls_nobody
                a_look_at_the_port_says_nothing_and_leaves
                what_is_deeper_than_asked_is_not_checked
                what_fails_is_told_in_the_finding
                a_far_end_that_says_nothing_is_told_in_the_finding
                what_comes_after_a_failure_is_not_checked
                each_aspect_of_the_scheme_is_named_once
                a_scheme_that_cannot_be_called_is_unsupported
                rule_25_who_may_not_be_pushed_to_is_not_called
                no_secret_is_printed
            ]
        }
    };
}

type Probe = dyn DestinationProbe;

/// Fifteen seconds, and some for a slow machine.
async fn in_time<T>(probe: impl Future<Output = T>) -> T {
    let probe = timeout(Duration::from_secs(20), probe).await;
    probe.expect("a probe ends within 15 s")
}

async fn probe(probe: &Probe, target: &PushTarget, depth: Depth) -> Finding {
    in_time(probe.probe(target, depth)).await.unwrap()
}

/// Whoever listens and says nothing.
struct Mute(TcpListener);

impl Mute {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn target(&self) -> PushTarget {
        target_at(&format!("rtmp://{}/app", self.address()))
    }

    /// Who called by now.
    fn caller(&self) -> Option<TcpStream> {
        match self.0.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn target_at(url: &str) -> PushTarget {
    let mut target = sample::target(1);
    target.url = url.parse().unwrap();
    let needs_a_key = target.url.scheme().needs_a_key();
    target.key = target.key.filter(|_| needs_a_key);
    target
}

fn outcome(finding: &Finding, aspect: Aspect) -> Option<&Outcome> {
    let check = finding.checks.iter().find(|it| it.aspect == aspect);
    check.map(|it| &it.outcome)
}

fn is_not_checked(finding: &Finding, aspect: Aspect) -> bool {
    let outcome = outcome(finding, aspect);
    outcome.is_none_or(|it| matches!(it, Outcome::NotChecked(_)))
}

/// The aspects of reaching out, from the outside in, each with the depth that looks at it.
const DEPTHS: [(Depth, Aspect); 5] = [
    (Depth::Name, Aspect::Name),
    (Depth::Tcp, Aspect::Tcp),
    (Depth::Tls, Aspect::Tls),
    (Depth::Connect, Aspect::Connect),
    (Depth::Publish, Aspect::Publish),
];

/// Clause 1.
pub async fn a_look_at_the_name_calls_nobody(probe_: &Probe) {
    let mute = Mute::listen();
    probe(probe_, &mute.target(), Depth::Name).await;
    assert!(mute.caller().is_none(), "it called");
}

/// Clause 1.
pub async fn a_look_at_the_port_says_nothing_and_leaves(probe_: &Probe) {
    let mute = Mute::listen();
    // RTMP has no TLS, so that depth is no deeper.
    for depth in [Depth::Tcp, Depth::Tls] {
        probe(probe_, &mute.target(), depth).await;
        while let Some(mut caller) = mute.caller() {
            caller.set_nonblocking(false).unwrap();
            let patience = Some(Duration::from_secs(2));
            caller.set_read_timeout(patience).unwrap();
            let mut said = Vec::new();
            let left = caller.read_to_end(&mut said);
            assert_eq!(said, b"", "it went deeper than the connection");
            assert!(left.is_ok(), "it stayed: {left:?}");
        }
    }
}

/// Clauses 1 and 3.
pub async fn what_is_deeper_than_asked_is_not_checked(probe_: &Probe) {
    let mute = Mute::listen();
    for depth in [Depth::Name, Depth::Tcp] {
        let finding = probe(probe_, &mute.target(), depth).await;
        for (deeper, aspect) in DEPTHS {
            let is_unseen = is_not_checked(&finding, aspect);
            assert!(deeper <= depth || is_unseen, "{depth}: {finding:?}");
        }
    }
}

/// Clause 2.
pub async fn what_fails_is_told_in_the_finding(probe_: &Probe) {
    for depth in [Depth::Tcp, Depth::Connect] {
        let finding = probe(probe_, &sample::target(1), depth).await;
        assert!(!finding.is_good(), "{finding:?}");
        assert!(finding.fault().is_some(), "{finding:?}");
    }
}

/// Clause 2.
pub async fn a_far_end_that_says_nothing_is_told_in_the_finding(probe_: &Probe) {
    let mute = Mute::listen();
    let finding = probe(probe_, &mute.target(), Depth::Connect).await;
    assert!(!finding.is_good(), "{finding:?}");
}

/// Clause 3.
pub async fn what_comes_after_a_failure_is_not_checked(probe_: &Probe) {
    let finding = probe(probe_, &sample::target(1), Depth::Publish).await;
    let is_failure = |it: &Outcome| matches!(it, Outcome::Failed(_));
    let mut outcomes = finding.checks.iter().map(|it| &it.outcome);
    assert!(outcomes.any(is_failure), "{finding:?}");
    let after: Vec<_> = outcomes.collect();
    let all = after.iter().all(|it| matches!(it, Outcome::NotChecked(_)));
    assert!(all, "{finding:?}");
}

/// Clause 3.
pub async fn each_aspect_of_the_scheme_is_named_once(probe_: &Probe) {
    let plain = [Aspect::Name, Aspect::Tcp, Aspect::Connect, Aspect::Publish];
    for (url, aspects) in [
        ("rtmp://127.9.0.1:9/app", plain.to_vec()),
        ("rtmps://127.9.0.1:9/app", {
            DEPTHS.iter().map(|(_, aspect)| *aspect).collect()
        }),
    ] {
        for (depth, _) in DEPTHS {
            let finding = probe(probe_, &target_at(url), depth).await;
            // In order, and so none twice.
            assert_orderly(&finding);
            for aspect in &aspects {
                let is_named = outcome(&finding, *aspect).is_some();
                assert!(is_named, "{url}, {depth}: {aspect} in {finding:?}");
            }
        }
    }
}

/// Clause 4.
pub async fn a_scheme_that_cannot_be_called_is_unsupported(probe: &Probe) {
    for url in [
        "srt://127.9.0.1:9",
        "srt://:9?mode=listener&allow=127.0.0.1/32",
        "rist://127.9.0.1:9",
        "rtp://127.9.0.1:9",
        "rtp-fec://127.9.0.1:9",
        "zixi://127.9.0.1:9",
    ] {
        match in_time(probe.probe(&target_at(url), Depth::Name)).await {
            Ok(finding) => assert_orderly(&finding),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{url}: {error}"),
        }
    }
}

/// Clause 5. Without an address, a host is this machine, and what is called so is
/// none that a destination may have.
pub async fn rule_25_who_may_not_be_pushed_to_is_not_called(probe: &Probe) {
    let mute = Mute::listen();
    let port = mute.address().port();
    for host in ["0.0.0.0", "[::ffff:0.0.0.0]"] {
        let target = target_at(&format!("rtmp://{host}:{port}/app"));
        let outcome = in_time(probe.probe(&target, Depth::Connect)).await;
        if let Ok(finding) = outcome {
            assert!(!finding.is_good(), "{host}: {finding:?}");
        }
        assert!(mute.caller().is_none(), "{host} was called");
    }
}

/// Clause 6.
pub async fn no_secret_is_printed(probe: &Probe) {
    let mute = Mute::listen();
    let urls = [
        "rtmp://127.9.0.1:9/app".to_owned(),
        "rtmps://127.9.0.1:9/app".to_owned(),
        "srt://127.9.0.1:9".to_owned(),
        format!("rtmp://{}/app", mute.address()),
    ];
    for url in urls {
        let mut target = target_at(&url);
        target.tail = Some(SecretString::from(format!("/{CANARY}?token={CANARY}")));
        target.key = Some(StreamKey::new(CANARY).unwrap());
        let outcome: Result<_, PortError> = in_time(probe.probe(&target, Depth::Publish)).await;
        let printed = match outcome {
            Ok(finding) => format!("{finding:?}"),
            Err(error) => chain(&error),
        };
        assert_clean(&format!("{probe:?} {printed}"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("destination_probe.rs"));
    }
}
