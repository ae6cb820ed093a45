//! A killed process loses nothing that it acknowledged.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdout, Stdio},
    thread,
    time::Duration,
};

use lunora_core::{
    domain::{EventSeq, Leg, SecretName},
    port::{ControlStore as _, EventLog as _, Repo as _, RepoExt as _, SecretStore as _},
};
use lunora_studio::store::{KeySource, KeyState, Store};
use lunora_testkit::{clock::ManualClock, sample};

use crate::store_data::{Data, once_free, process, revealed, run};

const FOLDER: &str = "LUNORA_FOLDER";
const FIRST: &str = "LUNORA_FIRST";
#[test]
fn kill_9_loses_nothing_acknowledged() {
    let data = Data::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..10 {
        let mut process = Process::writing(&data, 1 + round * 10_000);
        let [calls, pause] = random();
        process.read_calls(1 + usize::from(calls / 4));
        thread::sleep(Duration::from_micros(u64::from(pause) * 20));
        acknowledged.extend(process.kill());

        assert_whole(&data);
        // The lock of the killed process is gone with it.
        let store = data.open();
        assert_eq!(store.key_state(), KeyState::Fits);
        assert_is_there(&store, &acknowledged);
    }
    assert!(10 <= acknowledged.len());
}

#[test]
fn kill_9_while_a_folder_is_made_leaves_one_that_opens() {
    for _ in 0..15 {
        let data = Data::new();
        let process = Process::writing(&data, 1);
        let [pause, _] = random();
        thread::sleep(Duration::from_micros(u64::from(pause) * 80));
        let acknowledged = process.kill().into_iter().collect();

        let store = data.open();
        assert_whole(&data);
        assert_eq!(store.key_problem(), None);
        assert_eq!(run(store.presets().list_all()).unwrap().len(), 7);
        assert_is_there(&store, &acknowledged);
    }
}

fn random() -> [u8; 2] {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn assert_whole(data: &Data) {
    let check = "PRAGMA integrity_check";
    let verdict: String = data.sql().query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// What was acknowledged: which call, and on which thing.
type Acknowledged = (String, u64);

/// A process that writes, and tells what was acknowledged.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    acknowledged: Vec<Acknowledged>,
}

impl Process {
    fn writing(data: &Data, first: u64) -> Self {
        let mut child = process("store_kill::write_for_ever")
            .env(FOLDER, data.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            acknowledged: Vec::new(),
        }
    }

    fn read_calls(&mut self, count: usize) {
        while self.acknowledged.len() < count {
            let line = self.lines.next().unwrap().unwrap();
            self.acknowledged.extend(read(&line));
        }
    }

    /// Kills it with SIGKILL, and returns all that it acknowledged.
    fn kill(mut self) -> Vec<Acknowledged> {
        self.child.kill().unwrap();
        let rest = self.lines.filter_map(|line| read(&line.unwrap()));
        self.acknowledged.extend(rest);
        self.child.wait().unwrap();
        self.acknowledged
    }
}

/// Reads one line; others are the test harness's.
fn read(line: &str) -> Option<Acknowledged> {
    let (call, n) = line.strip_prefix("did ")?.split_once(' ')?;
    Some((call.to_owned(), n.parse().ok()?))
}

fn assert_is_there(store: &Store, acknowledged: &BTreeSet<Acknowledged>) {
    let did = |call: &str, n| acknowledged.contains(&(call.to_owned(), n));
    let events = run(store.events().read(EventSeq(0), u32::MAX)).unwrap();
    let removals = run(store.control().removals()).unwrap();
    for (call, n) in acknowledged {
        let n = *n;
        let id = sample::destination_id(n);
        match call.as_str() {
            "create" => {
                let stored = run(store.destinations().get(&id)).unwrap();
                // A removal may have happened without having been acknowledged.
                if !is_removed(n) {
                    assert_eq!(stored.unwrap().value, sample::destination(n));
                } else if did("remove", n) {
                    assert_eq!(stored, None);
                }
            }
            "source" => {
                let stored = run(store.sources().get(&sample::source_id(n))).unwrap();
                assert_eq!(stored.unwrap().value, sample::source(n));
            }
            "keep" => {
                let text = revealed(store, &secret(n)).unwrap();
                assert_eq!(text.unwrap(), format!("secret-{n}"));
            }
            "append" => {
                let event = sample::new_event(n);
                assert!(events.iter().any(|it| it.event == event), "event {n}");
            }
            "record" => assert!(removals.contains(&sample::removal(n)), "removal {n}"),
            "remove" => assert!(did("create", n)),
            other => panic!("{other}"),
        }
    }
}

const fn is_removed(n: u64) -> bool {
    n.is_multiple_of(3)
}

fn secret(n: u64) -> SecretName {
    SecretName::StreamKey(sample::destination_id(n), Leg::Primary)
}

#[test]
#[ignore = "the process that the test above kills"]
fn write_for_ever() {
    let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) else {
        return;
    };
    let folder = folder.as_ref();
    let open = || Store::open(folder, &KeySource::KeyFile, &ManualClock::default());
    let store = once_free(open).unwrap();
    run(async {
        for n in first.parse().unwrap().. {
            write(&store, n).await;
        }
    });
}

async fn write(store: &Store, n: u64) {
    let destinations = store.destinations();
    let revision = destinations.create(&sample::destination(n)).await.unwrap();
    tell("create", n);
    store.sources().create(&sample::source(n)).await.unwrap();
    tell("source", n);
    store
        .secrets()
        .keep(&secret(n), &sample::secret(n))
        .await
        .unwrap();
    tell("keep", n);
    store.events().append(&sample::new_event(n)).await.unwrap();
    tell("append", n);
    store
        .control()
        .record_removal(&sample::removal(n))
        .await
        .unwrap();
    tell("record", n);
    if is_removed(n) {
        let id = sample::destination_id(n);
        destinations.remove(&id, &revision).await.unwrap();
        tell("remove", n);
    }
}

/// Acknowledges. The line goes out whole and at once.
fn tell(call: &str, n: u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("did {call} {n}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}
