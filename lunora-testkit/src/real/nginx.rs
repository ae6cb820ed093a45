//! nginx-rtmp as the platform that is pushed to.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    authority::Identity,
    machine::{self, until},
    process::Running,
};

const MODULES: &str = "/usr/lib/nginx/modules";

/// nginx with its rtmp module. It records everything that is published.
///
/// Application `live` takes all; `closed` takes none, and says so by closing the
/// connection. Port 8080 talks HTTP.
#[derive(Debug)]
pub struct Nginx {
    /// Its process, to be stopped, continued and killed.
    pub process: Running,
    address: Ipv4Addr,
    folder: TempDir,
}

impl Nginx {
    /// Starts one at an address of its own.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(machine::address(), None)
    }

    /// The same, which also takes RTMPS with this identity.
    #[must_use]
    pub fn with_tls(address: Ipv4Addr, identity: &Identity) -> Self {
        Self::start_at(address, Some(identity))
    }

    fn start_at(address: Ipv4Addr, identity: Option<&Identity>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recordings")).unwrap();
        let text = configuration(folder.path(), address, identity);
        fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let process = launch(folder.path(), address);
        Self {
            process,
            address,
            folder,
        }
    }

    /// Starts it again at the same place, once it is killed.
    pub fn restart(&mut self) {
        self.process = launch(self.folder.path(), self.address);
    }

    /// Where to push to, or to play from.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.address)
    }

    /// Where to push to with TLS.
    #[must_use]
    pub fn tls_url(&self, key: &str) -> String {
        format!("rtmps://{}/live/{key}", self.address)
    }

    /// Where nobody may publish.
    #[must_use]
    pub fn closed_url(&self, key: &str) -> String {
        format!("rtmp://{}/closed/{key}", self.address)
    }

    /// Where no RTMP is spoken.
    #[must_use]
    pub fn http_url(&self, key: &str) -> String {
        format!("rtmp://{}:8080/live/{key}", self.address)
    }

    /// The recordings of a stream key, the oldest first.
    #[must_use]
    pub fn recordings(&self, key: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join("recordings")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        let begin = format!("{key}-");
        files.retain(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            name.starts_with(&begin)
        });
        files.sort();
        files
    }

    /// The one recording of a stream key, once its publisher has left.
    pub fn recording(&self, key: &str) -> PathBuf {
        self.finished(key, 1).remove(0)
    }

    /// The recordings of a stream key, the oldest first, once so many publishers have left.
    pub fn finished(&self, key: &str, times: usize) -> Vec<PathBuf> {
        let what = format!("nginx sees {times} publishers of {key} leave");
        let words = format!("publish: name='{key}'");
        until(&what, || {
            let log = self.log();
            let publishers = log.lines().filter(|line| line.contains(&words));
            let has_left = |line: &&str| {
                let left = format!(" {} disconnect", client(line));
                log.lines().any(|line| line.contains(&left))
            };
            (publishers.filter(has_left).count() == times).then_some(())
        });
        let recordings = self.recordings(key);
        assert_eq!(recordings.len(), times, "{key} was published {times} times");
        recordings
    }

    /// Whether the publisher of a stream key said that it ends before it closed the connection.
    #[must_use]
    pub fn saw_a_proper_end(&self, key: &str) -> bool {
        let (client, since) = self.find(&format!("name='{key}'"));
        let log = self.log();
        let mut after = log.lines().skip(since);
        let said = format!(" {client} deleteStream");
        let left = format!(" {client} disconnect");
        let first = after.find(|line| line.contains(&said) || line.contains(&left));
        first.is_some_and(|line| line.contains(&said))
    }

    /// Waits until a stream key has been published under so many times.
    pub fn sees(&self, key: &str, times: usize) {
        let words = format!("publish: name='{key}'");
        until(&format!("nginx sees {key} published {times} times"), || {
            (self.log().matches(&words).count() == times).then_some(())
        });
    }

    /// The client whose first line in the log has these words, and the number of that line.
    fn find(&self, words: &str) -> (String, usize) {
        let log = self.log();
        let mut lines = log.lines().enumerate();
        let (number, line) = lines
            .find(|(_, line)| line.contains(words))
            .unwrap_or_else(|| panic!("nginx never saw {words}"));
        (client(line).to_owned(), number)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap()
    }
}

/// Whom a line of the log is about, such as `*7`.
fn client(line: &str) -> &str {
    let client = line.split(' ').find(|word| word.starts_with('*'));
    client.unwrap()
}

fn configuration(folder: &Path, address: Ipv4Addr, identity: Option<&Identity>) -> String {
    let tls = identity.map(|identity| {
        let (certificate, key) = (identity.certificate.display(), identity.key.display());
        format!(
            "stream {{ server {{
                 listen {address}:443 ssl;
                 ssl_certificate {certificate}; ssl_certificate_key {key};
                 proxy_pass {address}:1935;
             }} }}"
        )
    });
    let tls = tls.unwrap_or_default();
    let recordings = folder.join("recordings");
    let recordings = recordings.display();
    // One process, so that a signal reaches all of it.
    format!(
        "load_module {MODULES}/ngx_rtmp_module.so;
         load_module {MODULES}/ngx_stream_module.so;
         master_process off; daemon off; pid nginx.pid; error_log error.log info;
         events {{ worker_connections 256; }}
         http {{ access_log off; server {{ listen {address}:8080; return 204; }} }}
         rtmp {{ server {{
             listen {address}:1935;
             application live {{
                 live on; wait_key on;
                 record all; record_path {recordings}; record_unique on;
             }}
             application closed {{ live on; deny publish all; }}
         }} }}
         {tls}"
    )
}

fn launch(folder: &Path, address: Ipv4Addr) -> Running {
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(folder);
    nginx.args(["-c", "nginx.conf", "-e", "error.log"]);
    let process = Running::start("nginx", &mut nginx);
    until("nginx listens", || {
        TcpStream::connect((address, 8080)).is_ok().then_some(())
    });
    process
}
