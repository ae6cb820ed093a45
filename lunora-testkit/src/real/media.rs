//! Streams, as ffmpeg makes, publishes, receives and judges them.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use super::process::{Running, attempt, run};

/// An encoder's output, as a file that can be published byte for byte.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Clip {
    /// How long it plays.
    pub seconds: u32,
    /// Pictures between two others that they refer to.
    pub b_frames: u32,
    /// What the pictures of a second take.
    pub kilobits: u32,
}

impl Clip {
    /// As OBS sends by default, but small and often a keyframe: one a second.
    #[must_use]
    pub const fn of(seconds: u32) -> Self {
        Self {
            seconds,
            b_frames: 2,
            kilobits: 600,
        }
    }

    /// The file, made if no earlier run has.
    #[must_use]
    pub fn file(self) -> PathBuf {
        let mut command = ffmpeg();
        // No frame equals another: the picture counts, and noise does not repeat.
        let picture = "testsrc2=size=320x180:rate=30,noise=alls=12:allf=t";
        let sound =
            "anoisesrc=amplitude=0.2:sample_rate=48000:seed=7,aformat=channel_layouts=stereo";
        command.args(["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]);
        let rate = format!("{}k", self.kilobits);
        command.args(["-t", &self.seconds.to_string()]);
        command.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-profile:v",
            "main",
        ]);
        command.args(["-pix_fmt", "yuv420p", "-g", "30", "-b:v", &rate]);
        command.args(["-bf", &self.b_frames.to_string(), "-b_strategy", "0"]);
        command.args(["-c:a", "aac", "-b:a", "96k", "-f", "flv"]);

        let mut hasher = DefaultHasher::new();
        format!("{command:?}").hash(&mut hasher);
        let folder = folder_of_clips();
        let file = folder.join(format!("clip-{:016x}.flv", hasher.finish()));
        if !file.exists() {
            // Another test may be making the same: each makes its own, and the last one stays.
            let own = tempfile::Builder::new().suffix(".flv").tempfile_in(&folder);
            let own = own.unwrap().into_temp_path();
            run(command.arg("-y").arg(&own));
            own.persist(&file).unwrap();
        }
        file
    }
}

/// Beside the test program, so that a test of another crate finds them again.
fn folder_of_clips() -> PathBuf {
    let program = env::current_exe().unwrap();
    let folder = program.with_file_name("clips");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error"]);
    command
}

/// Publishes a file as an encoder would: at its own pace, once.
#[must_use]
pub fn publish(file: &Path, url: &str) -> Running {
    let mut command = ffmpeg();
    command.arg("-re").arg("-i").arg(file);
    command.args(["-c", "copy", "-f", "flv", url]);
    Running::start("the encoder", &mut command)
}

/// Waits for one publisher and writes what it sends to a file.
#[must_use]
pub fn listen(url: &str, file: &Path) -> Running {
    let mut command = ffmpeg();
    command.args(["-listen", "1", "-f", "flv", "-i", url]);
    command.args(["-c", "copy", "-f", "flv"]).arg(file);
    Running::start("ffmpeg as a receiver", &mut command)
}

/// Decodes a file, or as much of a live stream as is asked for. ffmpeg may find
/// nothing wrong with it.
pub fn decodes_clean(input: &str, seconds: Option<u32>) -> Decoded {
    let mut command = ffmpeg();
    if let Some(seconds) = seconds {
        command.args(["-t", &seconds.to_string()]);
    }
    command.args([
        "-i",
        input,
        "-map",
        "0:v",
        "-map",
        "0:a",
        "-f",
        "framehash",
        "-",
    ]);
    let (out, complaints) = attempt(&mut command, "");
    assert!(
        complaints.is_empty(),
        "{input} does not decode clean: {complaints}"
    );
    let count = |stream: &str| out.lines().filter(|line| line.starts_with(stream)).count();
    Decoded {
        pictures: count("0,"),
        sounds: count("1,"),
    }
}

/// How many frames came out of the decoder.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// Of video.
    pub pictures: usize,
    /// Of audio.
    pub sounds: usize,
}

/// What ffprobe says about the codecs, such as `h264,aac`.
#[must_use]
pub fn codecs(input: &str) -> String {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "stream=codec_name"]);
    probe.args(["-of", "csv=p=0", input]);
    let mut names: Vec<_> = run(&mut probe).lines().map(str::to_owned).collect();
    names.sort();
    names.reverse();
    names.join(",")
}

/// One compressed frame, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    hash: String,
    /// After the first one of its kind, in milliseconds: when to decode it, and when to show it.
    decode: i64,
    show: i64,
}

/// The compressed frames of a file, of each kind in its own order.
#[must_use]
pub fn frames(file: &Path) -> BTreeMap<Kind, Vec<Frame>> {
    let mut command = ffmpeg();
    command.arg("-i").arg(file);
    command.args(["-c", "copy", "-copyts", "-f", "framehash", "-"]);
    let mut frames = BTreeMap::<Kind, Vec<Frame>>::new();
    let (out, _) = attempt(&mut command, "");
    let kinds = kinds(&out);
    for line in out.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let frame = Frame {
            hash: fields[5].to_owned(),
            decode: fields[1].parse().unwrap(),
            show: fields[2].parse().unwrap(),
        };
        frames.entry(kinds[fields[0]]).or_default().push(frame);
    }
    frames
}

/// Video or audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

fn kinds(framehash: &str) -> BTreeMap<String, Kind> {
    let lines = framehash.lines();
    let facts = lines.filter_map(|line| line.strip_prefix("#media_type "));
    let pairs = facts.filter_map(|fact| fact.split_once(": "));
    pairs
        .map(|(stream, kind)| {
            let kind = if kind == "video" {
                Kind::Video
            } else {
                Kind::Audio
            };
            (stream.to_owned(), kind)
        })
        .collect()
}

/// Requires what was received to be one contiguous run of what was published:
/// the same frames, byte for byte, none missing, none twice, none out of order,
/// and at the same times from each other. Returns how many there are of each kind.
pub fn is_one_run_of(received: &Path, published: &Path) -> BTreeMap<Kind, usize> {
    is_one_run_within(0, received, published)
}

/// The same, where times may be so many milliseconds off: another container rounds them otherwise.
pub fn is_one_run_within(slack: u64, received: &Path, published: &Path) -> BTreeMap<Kind, usize> {
    let (received_frames, published_frames) = (frames(received), frames(published));
    let mut counts = BTreeMap::new();
    for (kind, run) in received_frames {
        let all = &published_frames[&kind];
        let place = all.iter().position(|frame| frame.hash == run[0].hash);
        let place = place.unwrap_or_else(|| panic!("{received:?} begins with no {kind:?} of ours"));
        for (number, frame) in run.iter().enumerate() {
            let expected = all
                .get(place + number)
                .unwrap_or_else(|| panic!("{received:?} has more {kind:?} than was published"));
            let (base, our_base) = (run[0].decode, all[place].decode);
            let is_at = |at: i64, wanted: i64| (at - base).abs_diff(wanted - our_base) <= slack;
            let is_same = frame.hash == expected.hash
                && is_at(frame.decode, expected.decode)
                && is_at(frame.show, expected.show);
            assert!(
                is_same,
                "{received:?}: {kind:?} {number} of {} is {frame:?} (first {base}), but what was \
                 published is {expected:?} (first {our_base}); it is number {:?} of that",
                run.len(),
                all.iter().position(|it| it.hash == frame.hash),
            );
        }
        counts.insert(kind, run.len());
    }
    counts
}

/// The size of a file that is still growing.
#[must_use]
pub fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |facts| facts.len())
}
