//! No secret is ever seen.

use std::{fs, path::Path};

use lunora_testkit::real::{
    machine::{self, PATIENCE},
    media::{Clip, publish},
    nginx::Nginx,
    process::Running,
    secrets::Secrets,
};
use serde_json::{Value, json};

use crate::{
    api::Api,
    studio::{Studio, on_free_ports},
};

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn no_secret_is_seen_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut nginx, other) = (Nginx::start(), Studio::start(&folder.path().join("other")));
    let mut secrets = Secrets::default();
    let mut studio = Studio::run(on_free_ports(&data).env("RUST_LOG", "trace"));
    let api = &studio.api;
    let events = api.follow();

    // In every place where somebody may put one, at every kind of far end.
    let plain = |url: &str, key: String| json!({"rtmp_url": url, "stream_key": key});
    let in_url = |url: String| json!({"rtmp_url": url});
    let (live, dead) = (
        nginx.url(""),
        format!("rtmp://{}:9/live/", machine::address()),
    );
    let refusing = other.publish.replace(other.publish_key(), "");
    let bodies = [
        plain(&live, secrets.mint()),
        in_url(format!("{live}{}", secrets.mint())),
        in_url(format!("{live}{}?auth={}", secrets.mint(), secrets.mint())),
        plain(
            &format!("{}?token={}", live.trim_end_matches('/'), secrets.mint()),
            secrets.mint(),
        ),
        in_url(format!("{dead}{}", secrets.mint())),
        in_url(nginx.closed_url(&secrets.mint())),
        in_url(nginx.http_url(&secrets.mint())),
        in_url(format!("{refusing}{}", secrets.mint())),
        in_url(format!("{}/{}", nginx.tls_url("x"), secrets.mint())),
        json!({
            "rtmp_url": live, "stream_key": secrets.mint(),
            "backup_rtmp_url": dead, "backup_stream_key": secrets.mint(),
        }),
    ];
    let ids: Vec<_> = bodies
        .into_iter()
        .map(|body| api.add(&with_basics(body)))
        .collect();
    // What is refused is not repeated either.
    let refused = [
        in_url(format!(
            "rtmp://user:{}@127.0.0.1/live/{}",
            secrets.mint(),
            secrets.mint()
        )),
        in_url(format!("http://127.0.0.1/live/{}", secrets.mint())),
        in_url(secrets.mint()),
        json!({"rtmp_url": {"a": secrets.mint()}, "stream_key": [secrets.mint()]}),
        json!({"stream_key": secrets.mint()}),
        json!({"name": 7, "stream_key": secrets.mint()}),
        json!({"enabled": secrets.mint(), "start": secrets.mint()}),
    ];
    for body in refused {
        let reply = api.call("POST", "/api/destinations", Some(&with_basics(body)));
        assert!((400..500).contains(&reply.code), "{}", reply.body);
    }
    for path in ["/api/destinations?key=", "/api/events?token="] {
        api.call("GET", &format!("{path}{}", secrets.mint()), None);
    }
    // A path that there is not is named in the reply to it, and nowhere else.
    let unheard = Api::new(api.base());
    for path in ["/api/", "/api/destinations/", "/"] {
        unheard.call("GET", &format!("{path}{}", secrets.mint()), None);
    }

    api.is(&ids[0], "live");
    for id in &ids[4..9] {
        api.shows(id, "at fault", |state| state["fault"].is_object());
    }
    api.edit(&ids[0], &json!({"stream_key": secrets.mint()}));
    api.edit(
        &ids[1],
        &json!({"rtmp_url": format!("{live}{}", secrets.mint())}),
    );
    let encoder = publish(&Clip::of(60).file(), &studio.publish);
    events.tells("an encoder", |event| event["program"] == "encoder");
    let (place, publish_key) = studio.publish.rsplit_once('/').unwrap();
    let mut guess = publish(&Clip::of(6).file(), &format!("{place}/{}", secrets.mint()));
    guess.ends(PATIENCE);
    nginx.process.kill();
    api.shows(&ids[0], "at fault", |state| state["fault"].is_object());
    nginx.restart();
    for id in &ids {
        api.call("POST", &format!("/api/destinations/{id}/start"), None);
        api.call("POST", &format!("/api/destinations/{id}/retry"), None);
        api.call("GET", &format!("/api/destinations/{id}"), None);
    }
    for path in ["/api/streaming/status", "/api/health", "/api/destinations"] {
        api.done("GET", path, None);
    }
    let command_line = fs::read(format!("/proc/{}/cmdline", studio.process.id())).unwrap();
    let environment = fs::read(format!("/proc/{}/environ", studio.process.id())).unwrap();
    api.remove(&ids[2]);
    drop(encoder);
    let live_state = files(&data);
    studio.process.signal("INT");
    studio.process.ends(PATIENCE);

    // The publish key is not printed either, as nobody reads along.
    secrets.keep(publish_key);
    let log = studio.process.err().join("\n");
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is not complete"
    );
    secrets.are_not_in(
        "the standard output",
        studio.process.out().join("\n").as_bytes(),
    );
    secrets.are_not_in("the log", log.as_bytes());
    secrets.are_not_in("the replies", api.heard().as_bytes());
    secrets.are_not_in("the events", events.heard().as_bytes());
    secrets.are_not_in("the command line", &command_line);
    secrets.are_not_in("the environment", &environment);
    for (name, content) in live_state.into_iter().chain(files(&data)) {
        secrets.are_not_in(&name, &content);
    }
    let backup = folder.path().join("backup");
    let mut command = crate::studio::command();
    command.args(["backup", "--data"]).arg(&data).arg(&backup);
    assert!(
        Running::start("studio backup", &mut command)
            .ends(PATIENCE)
            .success()
    );
    secrets.are_not_in("the backup", &fs::read(backup).unwrap());
}

fn with_basics(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    for (name, value) in [
        ("name", json!("canary")),
        ("platform", json!("custom")),
        ("start", json!(true)),
    ] {
        fields.entry(name).or_insert(value);
    }
    body
}

/// Every file below a folder. One that is gone by now is none.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            return files(&path);
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let content = fs::read(&path).ok();
        content.map(|content| (name, content)).into_iter().collect()
    });
    below.collect()
}
