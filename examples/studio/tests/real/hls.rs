//! What viewers get, as players see it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use lunora_testkit::real::{
    machine::{self, PATIENCE, until},
    media::{Clip, Kind, codecs, decodes_clean, is_one_run_of, is_one_run_within, publish},
    nginx::Nginx,
    process::{Running, run},
};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Player},
    sink::Sink,
    studio::Studio,
};

/// The segments that the folder holds, oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let there = fs::read_dir(folder).into_iter().flatten();
    let there = there.map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = there
        .filter(|it| it.extension() == Some("m4s".as_ref()))
        .collect();
    all.sort();
    all
}

fn heads(folder: &Path) -> Vec<PathBuf> {
    let there = fs::read_dir(folder).unwrap();
    let there = there.map(|entry| entry.unwrap().path());
    there
        .filter(|it| it.extension() == Some("mp4".as_ref()))
        .collect()
}

fn playlist(folder: &Path) -> String {
    fs::read_to_string(folder.join("live.m3u8")).unwrap_or_default()
}

fn url(studio: &Studio) -> String {
    format!("{}/hls/live.m3u8", studio.api.base())
}

fn durations(playlist: &str) -> Vec<&str> {
    let lines = playlist.lines();
    lines
        .filter_map(|line| line.strip_prefix("#EXTINF:"))
        .collect()
}

/// Plays what is listed, at its pace and to its end: of a live stream ffplay finds none.
fn plays_in_ffplay(url: &str, playlist: &str) {
    let place = url.strip_suffix("live.m3u8").unwrap();
    let there = playlist.replace("\nseg-", &format!("\n{place}seg-"));
    let there = there.replace("URI=\"", &format!("URI=\"{place}"));
    let mut list = tempfile::NamedTempFile::with_suffix(".m3u8").unwrap();
    writeln!(list, "{there}#EXT-X-ENDLIST").unwrap();

    let mut command = Command::new("ffplay");
    command.envs([("SDL_VIDEODRIVER", "dummy"), ("SDL_AUDIODRIVER", "dummy")]);
    command.args(["-v", "error", "-protocol_whitelist", "file,http,tcp"]);
    command.arg("-autoexit").arg(list.path());
    let begun = tokio::time::Instant::now();
    let mut player = Running::start("ffplay", &mut command);
    assert!(player.ends(PATIENCE).success(), "{:?}", player.err());
    assert!(
        player.err().iter().all(|it| it.is_empty()),
        "{:?}",
        player.err()
    );
    let listed = durations(playlist).len() as u64;
    assert!(listed <= begun.elapsed().as_secs(), "{:?}", begun.elapsed());
}

/// A destination that stands for the viewers.
fn viewers(studio: &Studio) -> String {
    let body = json!({"name": "viewers", "platform": "hls", "start": true});
    studio.api.add(&body)
}

#[test]
#[ignore = "needs ffmpeg; scripts/test runs it"]
fn what_an_encoder_publishes_plays_over_hls_without_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::without_test_stream(folder.path());
    let viewers = viewers(&studio);
    studio.api.is(&viewers, "waiting_for_source");
    let hls = folder.path().join("hls");

    let _encoder = publish(&Clip::of(20).file(), &studio.publish);
    until("three segments", || {
        (2 < durations(&playlist(&hls)).len()).then_some(())
    });

    // ffprobe lists the streams, then those of the one variant.
    let codecs = codecs(&url(&studio));
    assert!(
        codecs.starts_with("h264,") && codecs.contains(",aac"),
        "{codecs}"
    );
    let decoded = decodes_clean(&url(&studio), Some(4));
    assert!(
        100 < decoded.pictures && 150 < decoded.sounds,
        "{decoded:?}"
    );
    let mut strict = Command::new("ffmpeg");
    strict.args([
        "-nostdin",
        "-v",
        "error",
        "-xerror",
        "-t",
        "3",
        "-i",
        &url(&studio),
    ]);
    run(strict.args(["-f", "null", "-"]));
    plays_in_ffplay(&url(&studio), &playlist(&hls));
    studio.api.is(&viewers, "live");
}

#[test]
#[ignore = "needs chromium and hls.js; scripts/test runs it"]
fn chromium_plays_it_by_itself_and_with_hls_js() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(folder.path());
    let hls = folder.path().join("hls");
    until("two segments", || {
        (1 < durations(&playlist(&hls)).len()).then_some(())
    });

    for player in [Player::HlsJs, Player::Native] {
        let browser = Browser::play(player, &url(&studio));
        let number = |report: &Value, what: &str| report[what].as_f64().unwrap_or(0.0);
        let mut began = None;
        let what = format!("{player:?} plays five seconds");
        let shown = until(&what, || {
            let reports = browser.reports();
            let error = reports.iter().find(|report| report["fatal"] == true);
            assert_eq!(error, None, "{player:?}");
            let last = reports
                .into_iter()
                .rfind(|report| report["time"].is_number())?;
            if 0.0 < number(&last, "pictures") && began.is_none() {
                began = Some(last.clone());
            }
            let first = began.as_ref()?;
            (number(first, "time") + 5.0 < number(&last, "time")).then_some((first.clone(), last))
        });

        let (first, last) = shown;
        assert_eq!(last["width"], 640, "{last}");
        let pictures = number(&last, "pictures") - number(&first, "pictures");
        assert!(50.0 < pictures, "{first} to {last}");
        assert!(10_000.0 < number(&last, "sound"), "{last}");
        // A machine without time to spare may stall; what was sent has to be good.
        let all = browser.reports();
        let errors = all.iter().filter_map(|report| report["error"].as_str());
        let bad: Vec<&str> = errors.filter(|it| *it != "bufferStalledError").collect();
        assert!(bad.is_empty(), "{player:?}: {bad:?}");
    }
}

#[test]
#[ignore = "needs ffmpeg; scripts/test runs it"]
fn sound_alone_pictures_alone_and_long_groups_of_pictures_play() {
    let pictures = ["-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"];
    let sound = [
        "-re",
        "-f",
        "lavfi",
        "-i",
        "anoisesrc=amplitude=0.2:sample_rate=44100",
    ];
    let both = [pictures, sound].concat();
    // Of the last ones, only every tenth second begins with a keyframe.
    let runs = [
        (sound.to_vec(), "50"),
        (pictures.to_vec(), "50"),
        (both, "250"),
    ];
    let runs = runs.map(|(inputs, group)| {
        let folder = tempfile::tempdir().unwrap();
        let studio = Studio::without_test_stream(folder.path());
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-v", "error"]);
        command.args(inputs);
        command.args([
            "-t",
            "11",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p",
        ]);
        command.args(["-g", group, "-c:a", "aac", "-f", "flv", &studio.publish]);
        (folder, Running::start("the encoder", &mut command), studio)
    });

    for (place, (folder, mut encoder, studio)) in runs.into_iter().enumerate() {
        assert!(encoder.ends(PATIENCE).success(), "{:?}", encoder.err());
        let hls = folder.path().join("hls");
        let list = until("eleven seconds", || {
            let list = playlist(&hls);
            let seconds = durations(&list).into_iter();
            let seconds = seconds.map(|it| it.trim_end_matches(',').parse::<f64>().unwrap());
            let longest = seconds.clone().fold(0.0, f64::max);
            assert!(longest <= 4.0, "{list}");
            (10.9 < seconds.sum::<f64>()).then_some(list)
        });
        let is_independent = list.contains("#EXT-X-INDEPENDENT-SEGMENTS");
        assert_eq!(is_independent, place < 2, "{list}");
        let joined = folder.path().join("joined.mp4");
        let mut file = fs::File::create(&joined).unwrap();
        for part in heads(&hls).iter().chain(&segments(&hls)) {
            file.write_all(&fs::read(part).unwrap()).unwrap();
        }
        let mut strict = Command::new("ffmpeg");
        strict
            .args(["-nostdin", "-v", "warning", "-xerror", "-i"])
            .arg(&joined);
        run(strict.args(["-f", "null", "-"]));
        let codecs = codecs(&url(&studio));
        assert_eq!(codecs.contains("h264"), place != 0, "{codecs}");
        assert_eq!(codecs.contains("aac"), place != 1, "{codecs}");
    }
}

/// What a run left: the segments, the heads, and how long each segment in the list is.
type Left = (Vec<Vec<u8>>, Vec<Vec<u8>>, Vec<String>);

/// Publishes a clip, does something meanwhile, and returns what is there once it has ended.
fn recorded(clip: &Path, meanwhile: impl FnOnce(&Studio), joined: &Path) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let hls = folder.path().join("hls");
    let studio = Studio::without_test_stream(folder.path());
    let mut encoder = publish(clip, &studio.publish);
    meanwhile(&studio);
    assert!(encoder.ends(PATIENCE).success(), "{:?}", encoder.err());
    let list = until("the last segment", || {
        let list = playlist(&hls);
        let last = durations(&list)
            .last()
            .copied()?
            .strip_suffix(',')?
            .to_owned();
        // Whole seconds all of them but the last, in which sound outlasts the pictures.
        (!last.ends_with("000")).then_some(list)
    });
    assert!(!list.contains("#EXT-X-DISCONTINUITY\n"), "{list}");
    assert!(list.contains("#EXT-X-INDEPENDENT-SEGMENTS"), "{list}");

    let read = |files: Vec<PathBuf>| files.iter().map(|it| fs::read(it).unwrap()).collect();
    let (segments, heads): (Vec<_>, Vec<_>) = (read(segments(&hls)), read(heads(&hls)));
    let mut file = fs::File::create(joined).unwrap();
    for part in heads.iter().chain(&segments) {
        file.write_all(part).unwrap();
    }
    let durations = durations(&list).into_iter().map(str::to_owned).collect();
    (segments, heads, durations)
}

#[test]
#[ignore = "needs ffmpeg; scripts/test runs it"]
fn segments_are_the_same_bytes_whatever_twenty_destinations_do() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip::of(21).file();
    let joined = folder.path().join("joined.mp4");

    let alone = recorded(&clip, |_| (), &joined);
    let among = recorded(&clip, twenty_come_fail_and_leave, &joined);

    assert!(alone.0.len() > 9, "{} segments", alone.0.len());
    assert_eq!(alone.2, among.2, "the timing");
    assert_eq!(alone.1, among.1, "the heads");
    assert_eq!(alone.0.len(), among.0.len());
    for (place, (alone, among)) in alone.0.iter().zip(&among.0).enumerate() {
        assert!(
            alone == among,
            "segment {place}: {} and {} bytes",
            alone.len(),
            among.len()
        );
    }
    // And they are all that was published, frame by frame and at the same times.
    let remuxed = folder.path().join("joined.flv");
    let mut remux = Command::new("ffmpeg");
    remux.args(["-nostdin", "-v", "fatal", "-i"]).arg(&joined);
    run(remux.args(["-c", "copy"]).arg(&remuxed));
    let counts = is_one_run_within(1, &remuxed, &clip);
    let of_clip = is_one_run_of(&clip, &clip);
    assert_eq!(counts, of_clip, "and no frame is missing");
    assert_eq!(counts[&Kind::Video], 21 * 30);
}

fn twenty_come_fail_and_leave(studio: &Studio) {
    let (api, mut sink) = (&studio.api, Sink::start());
    let nobody = format!("rtmp://{}:9/live", machine::address());
    let ids: Vec<String> = (0..20)
        .map(|n| match n % 2 {
            0 => api.add_live("good", &sink.url(&format!("good-{n}"))),
            _ => api.add_live("bad", &format!("{nobody}/bad-{n}")),
        })
        .collect();
    for (n, id) in ids.iter().enumerate() {
        match n % 2 {
            0 => drop(api.is(id, "live")),
            _ => drop(api.shows(id, "refused", |state| state["fault"]["code"] == "refused")),
        }
    }
    sink.process.kill();
    api.shows(&ids[0], "at fault", |state| state["fault"].is_object());
    for id in &ids {
        api.edit(id, &json!({"name": "leaves"}));
        api.remove(id);
    }
}

/// A file system of its own, which can be full without harm.
struct Small(PathBuf);

impl Small {
    fn mount(path: &Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]);
        run(mount.arg(path));
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs ffmpeg, nginx-rtmp and to be root; scripts/test runs it"]
fn a_full_disk_and_a_folder_that_vanishes_cost_viewers_segments_and_outputs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hls = folder.path().join("hls");
    let disk = Small::mount(&hls);
    let (studio, nginx) = (Studio::without_test_stream(folder.path()), Nginx::start());
    let api = &studio.api;
    let clip = Clip {
        kilobits: 1500,
        ..Clip::of(60)
    };
    let clip = clip.file();
    let encoder = publish(&clip, &studio.publish);
    let output = api.add_live("an output", &nginx.url("output"));
    let viewers = viewers(&studio);
    api.is(&viewers, "live");

    let filler = hls.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 1 << 12]).is_ok() {}
    let full = api.shows(&viewers, "full", |state| state["fault"]["code"] == "quota");
    let text = full["state"]["fault"]["text"].to_string();
    assert!(text.contains("make room"), "{text}");
    assert_eq!(full["state"]["severity"], "action_needed");
    drop(file);
    fs::remove_file(&filler).unwrap();
    let well = |state: &Value| state["status"] == "live" && state["fault"].is_null();
    api.shows(&viewers, "live again", well);
    assert!(
        playlist(&hls).contains("#EXT-X-DISCONTINUITY\n"),
        "{}",
        playlist(&hls)
    );

    drop(disk);
    fs::remove_dir_all(&hls).unwrap();
    until("a list in a new folder", || {
        (!playlist(&hls).is_empty()).then_some(())
    });
    for name in playlist(&hls)
        .lines()
        .filter(|line| line.starts_with("seg-"))
    {
        assert!(hls.join(name).exists(), "{name}");
    }
    api.shows(&viewers, "live again", well);

    let state = api.find(&output).unwrap();
    api.stop(&output);
    drop(encoder);
    let progress = &state["state"]["progress"];
    assert_eq!(progress["frames_dropped"], 0, "{state}");
    assert_eq!(progress["reconnects"], 0, "{state}");
    assert!(state["state"]["last_fault"].is_null(), "{state}");
    is_one_run_of(&nginx.recording("output"), &clip);
}
