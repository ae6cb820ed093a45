//! What cannot work is told in one clear line.

use std::{fs, net::TcpListener, path::Path, process::Command};

use lunora_testkit::real::{
    machine::{PATIENCE, until},
    nginx::Nginx,
    process::Running,
};
use serde_json::json;

use crate::studio::{self, Studio};

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn what_cannot_work_is_told_in_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    fs::write(&file, "no certificate").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let absent = folder.path().join("absent");
    let path = |path: &Path| path.to_str().unwrap().to_owned();

    // What is asked for, and what the line has to name.
    let cases = [
        (["--http", &taken], vec![&*taken, "--http"]),
        (["--rtmp", &taken], vec![&*taken, "--rtmp"]),
        (["--http", "0.0.0.0:0"], vec!["0.0.0.0:0", "loopback"]),
        (["--http", "[::]:0"], vec!["[::]:0", "loopback"]),
        (["--ca", &path(&absent)], vec!["absent", "--ca"]),
        (["--ca", &path(&file)], vec!["file", "--ca"]),
        // Nobody can make a folder in a file, not even root.
        (["--data", &path(&file.join("data"))], vec!["file/data"]),
        (["--data", &path(&file)], vec!["file"]),
    ];
    for ([flag, value], words) in cases {
        let mut command = studio::command();
        let defaults = [
            ("--data", data.to_str().unwrap()),
            ("--http", "127.0.0.1:0"),
            ("--rtmp", "127.0.0.1:0"),
        ];
        for (name, default) in defaults.into_iter().filter(|(name, _)| *name != flag) {
            command.args([name, default]);
        }
        let line = complaint(command.args([flag, value]));
        for word in words {
            assert!(
                line.contains(word),
                "{flag} {value}: “{line}” does not name {word}"
            );
        }
    }
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn two_studios_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Studio::start(folder.path());

    let line = complaint(&mut studio::on_free_ports(folder.path()));

    assert!(line.contains(folder.path().to_str().unwrap()), "{line}");
    first.api.done("GET", "/api/health", None);
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn a_lost_key_file_stops_what_needs_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = Nginx::start();
    let mut studio = Studio::start(folder.path());
    let id = studio.api.add_live("first", &nginx.url("first"));
    studio.api.is(&id, "live");
    studio.process.signal("INT");
    studio.process.ends(PATIENCE);
    fs::remove_file(folder.path().join("studio.key")).unwrap();

    let studio = Studio::start(folder.path());

    let shown = studio.api.shows(&id, "waiting for somebody", |state| {
        state["severity"] == "action_needed"
    });
    assert!(
        shown["state"]["fault"]["text"]
            .as_str()
            .unwrap()
            .contains("key"),
        "{shown}"
    );
    let told = studio.process.err();
    let told: Vec<_> = told
        .iter()
        .filter(|line| line.contains("studio.key"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    // With a new key file and the stream key typed in again, it is live again.
    drop(studio);
    let mut reset = studio::command();
    reset.args(["keys", "reset", "--data"]).arg(folder.path());
    let mut reset = Running::start("studio keys reset", &mut reset);
    assert!(reset.ends(PATIENCE).success(), "{:?}", reset.err());
    let studio = Studio::start(folder.path());
    studio.api.edit(&id, &json!({"stream_key": "first"}));
    studio.api.is(&id, "live");
}

/// Runs what cannot work; returns the one line that says why.
fn complaint(command: &mut Command) -> String {
    let mut process = Running::start("studio", command);
    let status = process.ends(PATIENCE);
    assert_eq!(status.code(), Some(1), "{command:?}");
    let line = until("it says why", || {
        let lines = process.err();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(process.out(), [""; 0], "{command:?}");
    assert_eq!(line.len(), 1, "{command:?}: {line:?}");
    assert!(line[0].starts_with("error: "), "{line:?}");
    line.into_iter().next().unwrap()
}
