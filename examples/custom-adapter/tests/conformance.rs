//! Proves the adapter.

use example_custom_adapter::FolderDestinationRepo;
use lunora_core::{domain::Destination, port::DestinationRepo};
use lunora_testkit::conformance::Fixture;
use tempfile::TempDir;

struct Folder {
    repo: FolderDestinationRepo,
    // Dropped with the fixture, and the folder with it.
    _folder: TempDir,
}

impl Fixture for Folder {
    type Port = dyn DestinationRepo;

    async fn set_up() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self {
            repo: FolderDestinationRepo::open(folder.path()),
            _folder: folder,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.repo
    }
}

lunora_testkit::destination_repo_conformance!(Folder);

#[test]
fn random_calls_agree_with_the_model() {
    lunora_testkit::model::random_calls_agree::<Destination, Folder>(20);
}

/// What no suite can ask, because it knows neither files nor processes.
mod besides {
    use example_custom_adapter::FolderDestinationRepo;
    use lunora_core::port::{ErrorKind, Repo, RepoExt};
    use lunora_testkit::sample;
    use tempfile::TempDir;

    #[tokio::test]
    async fn what_was_put_outlives_the_process() {
        let folder = TempDir::new().expect("a folder");
        let before = FolderDestinationRepo::open(folder.path());
        let revision = before.create(&sample::destination(1)).await.expect("room");
        drop(before);

        let after = FolderDestinationRepo::open(folder.path());
        let id = sample::destination_id(1);
        let stored = after
            .get(&id)
            .await
            .expect("a read")
            .expect("a destination");
        assert_eq!(stored.value, sample::destination(1));
        after.remove(&id, &revision).await.expect("a removal");
    }

    /// Clause 8: a suite cannot damage what is stored.
    #[tokio::test]
    async fn a_file_that_makes_no_sense_is_corrupt_and_stops_no_other() {
        let folder = TempDir::new().expect("a folder");
        let repo = FolderDestinationRepo::open(folder.path());
        repo.create(&sample::destination(2)).await.expect("room");
        std::fs::write(folder.path().join("dest-1.json"), "{").expect("a file");

        let outcome = repo.get(&sample::destination_id(1)).await;
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::Corrupt));

        let listing = repo.survey().await.expect("a listing");
        assert_eq!(listing.items[0].value, sample::destination(2));
        let unreadable = listing.unreadable.iter().map(ToString::to_string);
        assert_eq!(
            unreadable.collect::<Vec<_>>(),
            ["destination dest-1: its file makes no sense at line 1, column 1"]
        );
    }
}

/// `docs/adapters.md` shows this example, and nothing that is not in it.
#[test]
fn the_guide_shows_this_code() {
    let guide = include_str!("../../../docs/adapters.md");
    let code = [
        include_str!("../src/lib.rs"),
        include_str!("../src/file.rs"),
        include_str!("conformance.rs"),
    ];
    let blocks = guide.split("```rust\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|it| it.split("```").next()).collect();
    assert!(2 < blocks.len(), "the guide has code");
    for block in blocks {
        for part in block.split("…\n") {
            let is_there = code.iter().any(|code| code.contains(part));
            assert!(is_there, "not in the example:\n{part}");
        }
    }
}
