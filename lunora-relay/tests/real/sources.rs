//! Two encoders that have nothing in common, and twenty switches between them: what a destination
//! got and what viewers got is decoded, picture by picture.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU8,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use lunora_core::{
    domain::{
        Fingerprint, HashKey, IngestSpec, IngestState, Leg, OutputId, OutputSpec, Priority,
        PushTarget, SourceId, StreamKey, Switch,
    },
    port::{IngestController, OutputRouter},
};
use lunora_relay::{
    Air, DialPolicy, Failover, HlsConfig, Idle, Ingest, Origin, Relay, RelayConfig, RelayIngests,
    SwitchReason, SystemResolver,
    wire::{
        flv::FlvReader,
        message::{Message, MessageKind},
    },
};
use lunora_testkit::{
    clock::ManualClock,
    real::{
        flv::parts,
        media::publish,
        nginx::Nginx,
        process::{Running, attempt, run},
    },
    sample,
};
use tokio::{sync::watch, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);
/// Short, so that twenty switches take no longer than a minute.
const FAIL_BACK_AFTER: Duration = Duration::from_millis(1_500);

/// Of so few pictures ffmpeg does not show all, wherever they were cut.
const FEW: usize = 12;

/// What an encoder is set to.
struct Setting {
    name: &'static str,
    picture: &'static str,
    sound: &'static str,
    video: &'static str,
    audio: &'static str,
}

const ONE: Setting = Setting {
    name: "one",
    picture: "testsrc2=size=640x360:rate=30",
    sound: "sine=frequency=440:sample_rate=48000,aformat=channel_layouts=stereo",
    video: "-profile:v main -g 30 -keyint_min 30 -bf 2 -b:v 900k",
    audio: "-ar 48000 -b:a 96k",
};
/// Groups are open: the first pictures of each refer to the group before.
const OTHER: Setting = Setting {
    name: "other",
    picture: "testsrc=size=480x270:rate=25",
    sound: "sine=frequency=330:sample_rate=44100,aformat=channel_layouts=mono",
    video: "-profile:v high -bf 3 -b:v 600k -x264-params open-gop=1:keyint=26:min-keyint=1:scenecut=0:b-adapt=0",
    audio: "-ar 44100 -b:a 64k",
};

impl Setting {
    fn clip(&self, folder: &Path) -> PathBuf {
        let file = folder.join(format!("{}.flv", self.name));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-hide_banner", "-v", "error"]);
        ffmpeg.args(["-f", "lavfi", "-i", self.picture]);
        ffmpeg.args(["-f", "lavfi", "-i", self.sound]);
        ffmpeg.args(["-t", "60", "-c:v", "libx264", "-preset", "veryfast"]);
        ffmpeg.args(["-pix_fmt", "yuv420p", "-b_strategy", "0"]);
        ffmpeg.args(self.video.split(' '));
        ffmpeg.args(["-c:a", "aac"]).args(self.audio.split(' '));
        run(ffmpeg.args(["-f", "flv"]).arg(&file));
        file
    }
}

fn hls_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("hls")
}

struct World {
    relay: Relay,
    ingests: RelayIngests,
    air: watch::Receiver<Air>,
    clips: [PathBuf; 2],
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clips = [ONE.clip(folder.path()), OTHER.clip(folder.path())];
        let relay = Relay::start(RelayConfig {
            ingest: Some(Ingest {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                publish_key: "entry-sources".into(),
            }),
            srt: None,
            idle: Idle::Nothing,
            failover: Failover {
                fail_back_after: FAIL_BACK_AFTER,
                fail_backs_per_hour: 100,
                ..Failover::default()
            },
            hls: Some(HlsConfig {
                listed: 1_000,
                ..HlsConfig::new(hls_in(&folder))
            }),
            outputs_max: 10,
            policy: DialPolicy::Local,
            resolver: Arc::new(SystemResolver),
            certificates: None,
            clock: Arc::new(ManualClock::default()),
        });
        let relay = relay.unwrap();
        let ingests = relay.ingests();
        let sources = [1, 2].map(|n| {
            sample::fingerprinted(IngestSpec {
                priority: Priority(NonZeroU8::new(n).unwrap()),
                ..sample::ingest(n.into())
            })
        });
        for result in ingests.apply(&sources).await {
            result.unwrap();
        }
        let air = relay.air();
        Self {
            relay,
            ingests,
            air,
            clips,
            folder,
        }
    }

    fn encoder(&self, n: usize) -> Running {
        let address = self.relay.ingest_address().unwrap();
        publish(
            &self.clips[n - 1],
            &format!("rtmp://{address}/live/publish-{n}"),
        )
    }

    async fn on_air(&mut self, n: u64) {
        let origin = Some(Origin::Source(sample::source_id(n)));
        let is_it = self.air.wait_for(|air| air.on_air == origin);
        let is_it = timeout(PATIENCE, is_it).await.map(|air| air.is_ok());
        assert_eq!(is_it, Ok(true), "never on air: {n}; {:?}", self.relay.air());
    }

    /// Waits until a source is there, though not on air.
    async fn comes_in(&self, source: &SourceId) {
        for _ in 0..400 {
            let seen = self.ingests.observe().await.unwrap();
            let it = seen.iter().find(|it| it.id == *source).unwrap();
            if it.state == IngestState::Standby {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{source} does not come in");
    }

    async fn push(&self, nginx: &Nginx) -> OutputId {
        let whole = nginx.url("sources");
        let url = whole.strip_suffix("/sources").unwrap();
        let id = OutputId {
            destination: "dest-1".parse().unwrap(),
            leg: Leg::Primary,
        };
        let spec = OutputSpec {
            id: id.clone(),
            fingerprint: Fingerprint(HashKey::new([1; 32]).digest([whole.as_bytes()])),
            target: PushTarget {
                url: url.parse().unwrap(),
                tail: None,
                key: Some(StreamKey::new("sources").unwrap()),
            },
            switch: Switch::On,
        };
        self.relay.router().apply(&[spec]).await.remove(0).unwrap();
        id
    }
}

#[tokio::test]
#[ignore = "needs ffmpeg and nginx-rtmp"]
async fn twenty_switches_between_two_encoders_break_no_picture() {
    let (mut world, nginx) = (World::start().await, Nginx::start());
    let output = world.push(&nginx).await;
    let mut first = world.encoder(1);
    world.on_air(1).await;
    let _second = world.encoder(2);
    let other = sample::source_id(2);
    world.comes_in(&other).await;

    for round in 0..4 {
        first.kill();
        world.on_air(2).await;
        first = world.encoder(1);
        world.on_air(1).await;
        if round == 3 {
            break;
        }
        first.signal("STOP");
        world.on_air(2).await;
        first.signal("CONT");
        world.on_air(1).await;
        world.ingests.pin(Some(&other)).await.unwrap();
        world.on_air(2).await;
        world.ingests.pin(None).await.unwrap();
        world.on_air(1).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let health = world
        .relay
        .router()
        .observe()
        .await
        .unwrap()
        .remove(0)
        .health;
    assert_eq!(health.progress.reconnects, 0);
    for result in world.relay.router().detach(&[output]).await {
        result.unwrap();
    }

    let air = world.air.borrow().clone();
    let reasons: Vec<_> = air.last.iter().map(|it| word(it.reason)).collect();
    let round = ["ended", "better", "silent", "better", "pinned", "better"];
    let expected = ["vacant"]
        .into_iter()
        .chain(round.into_iter().cycle().take(20));
    assert_eq!(reasons, expected.collect::<Vec<_>>());
    report(&air);
    // The last segment is written by then.
    world.relay.shutdown().await;
    let made = made(&world.clips);
    let pushed = judge(&nginx.recording("sources"), &made);
    judge_hls(&hls_in(&world.folder), &made, &pushed);
}

const fn word(reason: SwitchReason) -> &'static str {
    match reason {
        SwitchReason::Vacant => "vacant",
        SwitchReason::Ended => "ended",
        SwitchReason::Silent(_) => "silent",
        SwitchReason::Better(_) => "better",
        SwitchReason::Pinned => "pinned",
        _ => "another",
    }
}

#[expect(clippy::print_stderr, reason = "the gaps are what one wants to know")]
fn report(air: &Air) {
    for (number, switch) in air.last.iter().enumerate().skip(1) {
        let gap = switch.gap.unwrap();
        // What still sent went on until then.
        let decided = gap.saturating_sub(switch.waited);
        eprintln!(
            "switch {number}: {} ms without media, {} of them until it was decided: {}",
            gap.as_millis(),
            decided.as_millis(),
            switch.reason,
        );
    }
}

/// Every picture that each encoder made.
fn made(clips: &[PathBuf; 2]) -> [BTreeSet<String>; 2] {
    clips.each_ref().map(|clip| {
        let (pictures, complaints) = decoded(clip);
        assert_eq!(complaints, Vec::<String>::new());
        pictures.into_iter().collect()
    })
}

/// The pictures of a stretch, all of which one encoder made.
fn unbroken(part: &Path, made: &BTreeSet<String>) -> Vec<String> {
    let (pictures, mut complaints) = decoded(part);
    // Pictures of an open group tell the decoder to forget earlier ones, which were never sent.
    complaints.retain(|line| !line.contains("mmco: unref short failure"));
    assert_eq!(complaints, Vec::<String>::new(), "{}", part.display());
    let broken = pictures.iter().filter(|picture| !made.contains(*picture));
    assert_eq!(broken.count(), 0, "{}", part.display());
    pictures
}

/// Each stretch of one encoder decodes to what that encoder made, and time goes on over all of them.
/// Returns the pictures of each.
fn judge(recording: &Path, made: &[BTreeSet<String>; 2]) -> Vec<Vec<String>> {
    let parts = parts(recording);
    assert_eq!(parts.len(), 21, "the headers of each come in-band");
    let mut all = Vec::new();
    for (part, made) in parts.iter().zip(made.iter().cycle()) {
        let pictures = unbroken(part, made);
        // In a file of few pictures ffmpeg does not learn how long to wait for their order.
        let sent = sent(part);
        if FEW < sent {
            assert_eq!(pictures.len(), sent, "{}", part.display());
        }
        all.push(pictures);
    }

    let content = Bytes::from(fs::read(recording).unwrap());
    let mut last = [0; 2];
    for message in FlvReader::new(content).unwrap() {
        let message = message.unwrap();
        let track = match message.kind {
            MessageKind::Audio => 0,
            MessageKind::Video => 1,
            _ => continue,
        };
        let step = message.timestamp.checked_sub(last[track]);
        let step = step.expect("time never goes back");
        assert!(step < 5_000, "{step} ms without media");
        last[track] = message.timestamp;
    }
    let apart = last[0].abs_diff(last[1]);
    assert!(apart < 200, "sound and pictures are {apart} ms apart");
    all
}

/// Each stretch of the playlist, with its own head, decodes to the pictures that were pushed.
fn judge_hls(folder: &Path, made: &[BTreeSet<String>; 2], pushed: &[Vec<String>]) {
    let list = fs::read_to_string(folder.join("live.m3u8")).unwrap();
    let stretches: Vec<&str> = list.split("#EXT-X-DISCONTINUITY\n").collect();
    assert_eq!(stretches.len(), pushed.len(), "{list}");
    for (number, stretch) in stretches.iter().enumerate() {
        let head = stretch
            .lines()
            .find_map(|it| it.strip_prefix("#EXT-X-MAP:URI="));
        // A player has to be told whenever decoders are set up anew: both encoders differ.
        let head = head.map(|it| it.trim_matches('"')).unwrap();
        let segments = stretch.lines().filter(|it| it.starts_with("seg-"));
        let mut joined = Vec::new();
        for file in [head].into_iter().chain(segments) {
            joined.extend(fs::read(folder.join(file)).unwrap());
        }
        let part = folder.join(format!("part-{number}.mp4"));
        fs::write(&part, joined).unwrap();

        let pictures = unbroken(&part, &made[number % 2]);
        let pushed = &pushed[number];
        // The push began a little after the first encoder, and ended before the last one.
        let is_whole = (1..20).contains(&number) && FEW < pushed.len();
        if is_whole {
            assert_eq!(pictures, *pushed, "{}", part.display());
        } else {
            assert!(
                !pictures.is_empty() || pushed.len() <= FEW,
                "{}",
                part.display()
            );
        }
    }
    for line in list.lines().filter_map(|it| it.strip_prefix("#EXTINF:")) {
        let seconds: f64 = line.trim_end_matches(',').parse().unwrap();
        assert!(seconds <= 4.0, "longer than promised: {line}");
    }
}

/// How many pictures stand in a file.
fn sent(file: &Path) -> usize {
    let content = Bytes::from(fs::read(file).unwrap());
    let all = FlvReader::new(content).unwrap().map(Result::unwrap);
    let is_picture = |message: &Message| {
        message.kind == MessageKind::Video && message.payload.get(1) == Some(&1)
    };
    all.filter(is_picture).count()
}

/// Every picture as a hash of what is seen, and what ffmpeg complains about.
fn decoded(file: &Path) -> (Vec<String>, Vec<String>) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-nostdin",
        "-hide_banner",
        "-v",
        "repeat+error",
        "-xerror",
        "-i",
    ]);
    ffmpeg.arg(file).args(["-map", "0:a", "-f", "null", "-"]);
    ffmpeg.args([
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "framehash",
        "-",
    ]);
    let (out, complaints) = attempt(&mut ffmpeg, "");
    let frames = out.lines().filter(|line| line.starts_with("0,"));
    let hashes = frames.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned()));
    (
        hashes.collect(),
        complaints.lines().map(str::to_owned).collect(),
    )
}
