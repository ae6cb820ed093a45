//! Clause 8 of a repo's contract, on the one that can plant what cannot be read.

use lunora_core::{
    domain::Destination,
    port::{
        ErrorKind, Expect, Page, PageRequest, PortError, Repo as _, RepoExt as _, Revision,
        Unreadable, Versioned,
    },
};
use lunora_testkit::{memory::MemoryDestinationRepo, sample};

const REASON: &str = "the push URL has no application";

fn kind<T>(outcome: &Result<T, PortError>) -> Option<ErrorKind> {
    outcome.as_ref().err().map(PortError::kind)
}

fn unreadable(id: &str) -> Unreadable {
    Unreadable {
        noun: "destination",
        id: id.to_owned(),
        reason: REASON.to_owned(),
    }
}

/// Destinations 1 and 3, and what stands under ids around them and cannot be read.
async fn damaged() -> MemoryDestinationRepo {
    let repo = MemoryDestinationRepo::default();
    for n in [1, 3] {
        repo.create(&sample::destination(n)).await.expect("room");
    }
    for id in ["dest-0", "dest-2", "no id at all"] {
        repo.plant_unreadable(id, REASON);
    }
    repo
}

#[tokio::test]
async fn a_listing_names_what_cannot_be_read_and_goes_on() {
    let listing = damaged().await.survey().await.expect("a listing");

    let values: Vec<Destination> = listing.items.into_iter().map(|it| it.value).collect();
    assert_eq!(values, [1, 3].map(sample::destination));
    let expected = ["dest-0", "dest-2", "no id at all"].map(unreadable);
    assert_eq!(listing.unreadable, expected);
}

#[tokio::test]
async fn what_cannot_be_read_counts_towards_the_limit_of_a_page() {
    let repo = damaged().await;
    let (limit, mut after, mut pages) = (2, None, Vec::new());
    loop {
        let page: Page<Versioned<Destination>> = repo
            .list(PageRequest { limit, after })
            .await
            .expect("a page");
        pages.push((page.items.len(), page.unreadable.len()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [(1, 1), (1, 1), (0, 1)]);
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt_and_not_absent() {
    let repo = damaged().await;
    let error = repo.get(&sample::destination_id(2)).await.err();
    let error = error.expect("an error");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        error.to_string(),
        "failed to read destination dest-2: what is stored is unreadable"
    );
    assert_eq!(
        kind(&repo.list_all().await),
        Some(ErrorKind::Corrupt),
        "who lists all wants all"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_written_over_or_removed() {
    let repo = damaged().await;
    let revision = Revision::from_token(1);
    for expect in [Expect::Absent, Expect::Revision(revision.clone())] {
        let written = repo.put(&sample::destination(2), expect).await;
        assert_eq!(kind(&written), Some(ErrorKind::Conflict));
    }
    let removed = repo.remove(&sample::destination_id(2), &revision).await;
    assert_eq!(kind(&removed), Some(ErrorKind::Conflict));
    let listing = repo.survey().await.expect("a listing");
    assert_eq!(listing.unreadable.len(), 3);
}
