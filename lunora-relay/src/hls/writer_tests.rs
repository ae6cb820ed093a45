//! The thread and its folder, against disks of every kind.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use lunora_core::domain::Priority;
use lunora_testkit::clock::ManualClock;

use super::{
    Hls, HlsConfig,
    name::HlsFile,
    shelf::{Folder, Shelf},
    state::HlsTrouble,
    tests::{frames, only, stream},
};
use crate::{
    air::Origin,
    config::Failover,
    fanout::{Hub, TapLimits},
    news::News,
    wire::message::{Message, MessageKind},
};

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
type Trouble = Box<dyn FnMut(HlsFile) -> io::Result<()> + Send>;

/// A folder of memory, and what happens before a file is put there.
struct Memory {
    files: Files,
    trouble: Trouble,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Shelf for Memory {
    fn put(&mut self, file: HlsFile, parts: &mut dyn Iterator<Item = &[u8]>) -> io::Result<()> {
        (self.trouble)(file)?;
        let bytes = parts.flatten().copied().collect();
        self.files.lock().unwrap().insert(file.to_string(), bytes);
        Ok(())
    }

    fn remove(&mut self, file: HlsFile) -> io::Result<()> {
        self.files.lock().unwrap().remove(&file.to_string());
        Ok(())
    }

    fn has(&self, file: HlsFile) -> bool {
        self.files.lock().unwrap().contains_key(&file.to_string())
    }

    fn list(&self) -> io::Result<Vec<HlsFile>> {
        let files = self.files.lock().unwrap();
        Ok(files.keys().map(|name| name.parse().unwrap()).collect())
    }
}

/// Far more than is sent here at once, as no encoder would.
const ANY: TapLimits = TapLimits {
    bytes: 1 << 30,
    span: 1_000_000,
};

struct World {
    hub: Arc<Hub>,
    hls: Hls,
}

impl World {
    fn on(shelf: Box<dyn Shelf>, limits: TapLimits) -> Self {
        let clock = Arc::new(ManualClock::default());
        let news = News::new();
        let hub = Hub::new(
            false,
            Failover::default(),
            Arc::clone(&clock) as _,
            news.clone(),
        );
        // Nothing leaves the playlist in these tests.
        let config = HlsConfig {
            listed: 1_000,
            ..HlsConfig::new("unused".into())
        };
        let (hls, tap) = Hls::on(shelf, &config, limits, clock, news).unwrap();
        hub.attach(tap);
        let hub = Arc::new(hub);
        Self { hub, hls }
    }

    fn in_memory(trouble: impl FnMut(HlsFile) -> io::Result<()> + Send + 'static) -> (Self, Files) {
        let files = Files::default();
        let shelf = Memory {
            files: Arc::clone(&files),
            trouble: Box::new(trouble),
        };
        (Self::on(Box::new(shelf), ANY), files)
    }

    fn in_folder(path: &Path) -> Self {
        Self::on(Box::new(Folder::new(path.to_owned())), ANY)
    }

    /// An encoder comes, sends all that, and leaves.
    fn send(&self, messages: &[Message]) {
        let mut feed = self
            .hub
            .feed(Origin::Encoder, Priority::PRIMARY, Vec::new())
            .unwrap();
        for message in messages {
            feed.send(message.clone()).unwrap();
        }
    }

    fn until_made(&self, segments: u64) {
        for _ in 0..4_000 {
            if segments <= self.hls.state().segments_made {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{:?}", self.hls.state());
    }
}

fn text(files: &Files) -> String {
    let files = files.lock().unwrap();
    String::from_utf8(files["live.m3u8"].clone()).unwrap()
}

/// The segments in their order, as the playlist names them.
fn listed(text: &str) -> Vec<String> {
    let names = text.lines().filter(|line| line.starts_with("seg-"));
    names.map(str::to_owned).collect()
}

fn tags(text: &str, tag: &str) -> usize {
    text.lines().filter(|line| *line == tag).count()
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[tokio::test]
async fn two_runs_with_the_same_input_write_the_same_bytes() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (world, files) = World::in_memory(|_| Ok(()));
        world.send(&stream(3));
        world.hls.stop().await;
        runs.push(files.lock().unwrap().clone());
        assert_eq!(tags(&text(&files), "#EXT-X-DISCONTINUITY"), 0);
    }
    assert_eq!(2 + 12, runs[0].len(), "{:?}", runs[0].keys());
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn what_is_complete_is_written_at_the_end_with_every_frame() {
    for messages in [
        stream(1),
        only(MessageKind::Video, stream(1)),
        only(MessageKind::Audio, stream(1)),
    ] {
        let (world, files) = World::in_memory(|_| Ok(()));
        let bytes: usize = messages.iter().map(|it| it.payload.len()).sum();
        world.send(&messages);
        world.hls.stop().await;

        let files = files.lock().unwrap();
        let segments = files.iter().filter(|(name, _)| name.starts_with("seg-"));
        let written: usize = segments.map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes - 7 * messages.len() < written, "{written} of {bytes}");
        let state = world.hls.state();
        assert_eq!((state.frames_dropped, state.fault), (0, None));
    }
}

#[tokio::test]
async fn a_disk_that_was_full_is_a_break_in_the_list_and_it_goes_on_by_itself() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let (world, files) = World::in_memory(move |file| {
        let is_segment = matches!(file, HlsFile::Segment(_));
        let number = if is_segment {
            counted.fetch_add(1, Relaxed)
        } else {
            0
        };
        if (5..8).contains(&number) {
            Err(full())
        } else {
            Ok(())
        }
    });
    let mut feed = world
        .hub
        .feed(Origin::Encoder, Priority::PRIMARY, Vec::new())
        .unwrap();
    let messages = stream(5);
    let (first, rest) = messages.split_at(messages.len() / 3);

    first.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    while tries.load(Relaxed) < 6 || world.hls.state().fault.is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let fault = world.hls.state().fault.unwrap();
    assert_eq!(fault.reason, HlsTrouble::DiskFull);
    assert!(fault.text.contains("make room"), "{}", fault.text);
    assert_eq!(world.hls.state().since, None);
    rest.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    drop(feed);
    world.hls.stop().await;

    let state = world.hls.state();
    assert_eq!(state.fault, None);
    let text = text(&files);
    let names = listed(&text);
    assert_eq!(names.len() as u64, state.segments_made, "{text}");
    assert_eq!(tags(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
    let number = |name: &String| name[4..name.len() - 4].parse::<u64>().unwrap();
    assert!(
        names
            .windows(2)
            .all(|pair| number(&pair[0]) + 1 == number(&pair[1])),
        "{text}"
    );
    assert!(0 < state.frames_dropped && (state.frames_dropped as usize) < frames(&messages));
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_nothing_up_and_costs_what_did_not_fit() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let closed = Arc::clone(&gate);
    let files = Files::default();
    let shelf = Memory {
        files: Arc::clone(&files),
        trouble: Box::new(move |_| {
            let (open, opened) = &*closed;
            let _open = opened
                .wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap();
            Ok(())
        }),
    };
    let world = World::on(
        Box::new(shelf),
        TapLimits {
            span: 20_000,
            ..ANY
        },
    );
    let messages = stream(20);
    let (first, rest) = messages.split_at(messages.len() / 2);
    let mut feed = world
        .hub
        .feed(Origin::Encoder, Priority::PRIMARY, Vec::new())
        .unwrap();

    // Nothing is ever written, and all of this returns.
    first.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    let state = world.hls.state();
    assert_eq!(state.segments_made, 0);
    assert_eq!(state.fault.unwrap().reason, HlsTrouble::TooSlow);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    world.until_made(5);
    // At a pace that this reader keeps up with.
    for some in rest[..1_000].chunks(10) {
        some.iter().for_each(|it| {
            feed.send(it.clone()).unwrap();
        });
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(feed);
    world.hls.stop().await;

    let state = world.hls.state();
    assert_eq!(state.fault, None);
    assert!(60 * 25 < state.frames_dropped, "{state:?}");
    assert!(
        (state.frames_dropped as usize) < frames(first) + 200,
        "{state:?}"
    );
    assert_eq!(tags(&text(&files), "#EXT-X-DISCONTINUITY"), 1);
}

#[tokio::test]
async fn a_folder_that_vanishes_is_made_again_and_nothing_is_listed_that_went_with_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("hls");
    let world = World::in_folder(&path);
    let mut feed = world
        .hub
        .feed(Origin::Encoder, Priority::PRIMARY, Vec::new())
        .unwrap();
    let messages = stream(6);
    let (first, rest) = messages.split_at(messages.len() / 2);
    first.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    world.until_made(11);

    fs::remove_dir_all(&path).unwrap();
    rest.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    drop(feed);
    world.hls.stop().await;

    let text = fs::read_to_string(path.join("live.m3u8")).unwrap();
    let names = listed(&text);
    assert!((11..=13).contains(&names.len()), "{text}");
    let heads = text.split('"').skip(1).step_by(2).map(str::to_owned);
    for name in names.iter().cloned().chain(heads) {
        assert!(path.join(&name).exists(), "{name} of\n{text}");
    }
    assert_eq!(tags(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
    let state = world.hls.state();
    assert_eq!((state.frames_dropped, state.fault), (0, None));
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_told_and_waited_out() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("hls");
    fs::write(&path, "in the way").unwrap();
    let world = World::in_folder(&path);
    let mut feed = world
        .hub
        .feed(Origin::Encoder, Priority::PRIMARY, Vec::new())
        .unwrap();
    let messages = stream(4);
    let (first, rest) = messages.split_at(messages.len() / 2);
    first.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    while world.hls.state().fault.is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let fault = world.hls.state().fault.unwrap();
    assert_eq!(fault.reason, HlsTrouble::Folder, "{fault:?}");

    fs::remove_file(&path).unwrap();
    rest.iter().for_each(|it| {
        feed.send(it.clone()).unwrap();
    });
    drop(feed);
    world.hls.stop().await;

    assert_eq!(world.hls.state().fault, None);
    assert!(path.join("live.m3u8").exists());
}

#[tokio::test]
async fn a_next_run_goes_on_with_the_numbers_and_takes_the_old_files_away() {
    let place = tempfile::tempdir().unwrap();
    let run = async || {
        let world = World::in_folder(place.path());
        world.send(&stream(2));
        world.hls.stop().await;
        fs::read_to_string(place.path().join("live.m3u8")).unwrap()
    };
    let first = run().await;
    let unfinished = place.path().join("unfinished.tmp");
    fs::write(&unfinished, "half").unwrap();
    fs::write(place.path().join("mine.txt"), "stays").unwrap();
    let second = run().await;

    assert_eq!(tags(&first, "#EXT-X-DISCONTINUITY"), 0, "{first}");
    assert_eq!(tags(&second, "#EXT-X-DISCONTINUITY"), 1, "{second}");
    assert!(listed(&first).iter().max() < listed(&second).iter().min());
    let there = fs::read_dir(place.path()).unwrap();
    let there: Vec<String> = there
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let (old, new) = (listed(&first), listed(&second));
    assert!(old.iter().all(|name| !there.contains(name)), "{there:?}");
    assert!(new.iter().all(|name| there.contains(name)), "{there:?}");
    assert!(there.contains(&"mine.txt".to_owned()) && !unfinished.exists());
    assert_eq!(
        there.len(),
        new.len() + 3,
        "the head, the list and a file of others: {there:?}"
    );
}

#[tokio::test]
async fn the_next_source_is_a_break_and_has_a_head_of_its_own_if_it_is_another_one() {
    let (world, files) = World::in_memory(|_| Ok(()));
    world.send(&stream(1));
    world.send(&stream(1));
    world.send(&only(MessageKind::Video, stream(1)));
    world.hls.stop().await;

    let text = text(&files);
    assert_eq!(tags(&text, "#EXT-X-DISCONTINUITY"), 2, "{text}");
    assert_eq!(text.matches("#EXT-X-MAP").count(), 2, "{text}");
}

#[tokio::test]
async fn a_bug_costs_one_segment_and_no_more() {
    let mut segments = 0;
    let (world, files) = World::in_memory(move |file| {
        segments += usize::from(matches!(file, HlsFile::Segment(_)));
        assert_ne!(segments, 3, "as it should");
        Ok(())
    });
    world.send(&stream(3));
    world.hls.stop().await;

    let text = text(&files);
    assert_eq!(listed(&text).len(), 11, "{text}");
    assert_eq!(tags(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
}

#[tokio::test]
async fn sound_that_cannot_be_in_hls_is_left_out_and_told() {
    let mp3 = |message: Message| match message.kind {
        MessageKind::Audio => Message {
            payload: [b"\x2f", message.payload.as_ref()].concat().into(),
            ..message
        },
        _ => message,
    };
    let (world, files) = World::in_memory(|_| Ok(()));
    let messages: Vec<Message> = stream(1).into_iter().map(mp3).collect();
    world.send(&messages);
    world.hls.stop().await;

    assert!(!listed(&text(&files)).is_empty());
    let fault = world.hls.state().fault.unwrap();
    assert_eq!(fault.reason, HlsTrouble::Codec);
    assert!(fault.text.starts_with("mp3 "), "{}", fault.text);
}
