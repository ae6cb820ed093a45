//! Headless Chromium, with a page that plays a stream and reports how that goes.
//!
//! The page is served from a port of its own, as that of a player elsewhere on the machine is.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use lunora_testkit::real::process::Running;
use serde_json::Value;
use tempfile::TempDir;

/// What plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    /// hls.js, through Media Source Extensions, as most browsers need it.
    HlsJs,
    /// The browser itself.
    Native,
}

/// A browser that plays.
#[derive(Debug)]
pub(crate) struct Browser {
    _process: Running,
    _profile: TempDir,
    reports: Arc<Mutex<Vec<Value>>>,
}

const PAGE: &str = r"<!doctype html><meta charset=utf-8><title>player</title><video muted></video>
<script src=/hls.js></script><script>
const query = new URLSearchParams(location.search), source = query.get('source');
const video = document.querySelector('video');
const report = what => fetch('/report?' + encodeURIComponent(JSON.stringify(what)));
video.onerror = () => report({ error: video.error.message, fatal: true });
if (query.get('player') === 'HlsJs') {
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, data) => report({ error: data.details, fatal: data.fatal }));
    hls.loadSource(source);
    hls.attachMedia(video);
} else {
    video.src = source;
}
video.play().catch(error => report({ error: String(error), fatal: true }));
setInterval(() => report({
    time: video.currentTime, width: video.videoWidth,
    pictures: video.getVideoPlaybackQuality().totalVideoFrames,
    sound: video.webkitAudioDecodedByteCount }), 250);
</script>";

impl Browser {
    pub(crate) fn play(player: Player, source: &str) -> Self {
        let reports = Arc::<Mutex<Vec<Value>>>::default();
        let address = serve(Arc::clone(&reports));
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ]);
        command.args(["--no-first-run", "--disable-background-networking"]);
        command.args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ]);
        command.arg("--autoplay-policy=no-user-gesture-required");
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!(
            "http://{address}/?player={player:?}&source={source}"
        ));
        Self {
            _process: Running::start("chromium", &mut command),
            _profile: profile,
            reports,
        }
    }

    /// Everything that the page has reported so far.
    pub(crate) fn reports(&self) -> Vec<Value> {
        self.reports.lock().unwrap().clone()
    }
}

/// hls.js, as `scripts/test tools` installs it.
fn hls_js() -> PathBuf {
    let program = env::current_exe().unwrap();
    // target/debug/deps/real-…
    let target = program.ancestors().nth(3).unwrap();
    target.join("hls-js/node_modules/hls.js/dist/hls.min.js")
}

fn serve(reports: Arc<Mutex<Vec<Value>>>) -> SocketAddr {
    let script = std::fs::read(hls_js()).expect("hls.js, which `scripts/test tools` installs");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // One that leaves in the middle is the browser at its end.
            let _ = answer(client, &script, &reports);
        }
    });
    address
}

fn answer(
    mut client: TcpStream,
    script: &[u8],
    reports: &Mutex<Vec<Value>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path.split_once('?').unwrap_or((path, "")) {
        ("/report", report) => {
            let text = percent_encoding::percent_decode_str(report).decode_utf8_lossy();
            reports.lock().unwrap().extend(serde_json::from_str(&text));
            ("text/plain", &b""[..])
        }
        ("/hls.js", _) => ("text/javascript", script),
        ("/", _) => ("text/html", PAGE.as_bytes()),
        _ => ("text/plain", &b""[..]),
    };
    let len = body.len();
    write!(
        client,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n"
    )?;
    client.write_all(body)
}
