//! The contract of [`EvidenceStore`], for each store.

use lunora_aws::mediaconnect::{Evidence, EvidenceStore, Signal, Subject};

fn heard(n: u8, signal: Signal, second: u8) -> Evidence {
    let subject = format!("arn:aws:mediaconnect:us-west-2:111122223333:output:1-{n}:out");
    Evidence {
        subject: subject.parse().unwrap(),
        signal,
        at: format!("2026-11-22T10:00:{second:02}Z").parse().unwrap(),
    }
}

async fn all(store: &dyn EvidenceStore) -> Vec<Evidence> {
    let mut all = store.all().await.unwrap();
    all.sort_by(|one, other| one.subject.cmp(&other.subject));
    all
}

/// Every clause, over one store with nothing in it.
pub(crate) async fn keeps_its_contract(store: &dyn EvidenceStore) {
    assert_eq!(all(store).await, []);

    // Clauses 1 and 5.
    let other = heard(2, Signal::Idle, 30);
    store.note(&other).await.unwrap();
    let signals = [Signal::Connected, Signal::Sending, Signal::Disconnected];
    for (second, signal) in (10..).zip(signals) {
        let expected = heard(1, signal, second);
        store.note(&expected).await.unwrap();
        assert_eq!(all(store).await, [expected, other.clone()]);
    }

    // Clause 4.
    let newest = heard(1, Signal::Sending, 20);
    for _ in 0..2 {
        store.note(&newest).await.unwrap();
        assert_eq!(all(store).await, [newest.clone(), other.clone()]);
    }

    // Clause 2.
    store
        .note(&heard(1, Signal::Disconnected, 19))
        .await
        .unwrap();
    assert_eq!(all(store).await, [newest, other.clone()]);

    // Clause 3.
    let last = heard(1, Signal::Disconnected, 20);
    store.note(&last).await.unwrap();
    assert_eq!(all(store).await, [last, other]);

    // Every signal, and the other kinds of subject.
    for (kind, signal) in [
        ("source", Signal::SourceLost),
        ("flow", Signal::SourceFound),
    ] {
        let arn = format!("arn:aws:mediaconnect:us-west-2:111122223333:{kind}:1-a:b");
        let subject: Subject = arn.parse().unwrap();
        let expected = Evidence {
            subject,
            ..heard(1, signal, 40)
        };
        store.note(&expected).await.unwrap();
        assert!(all(store).await.contains(&expected));
    }
}
