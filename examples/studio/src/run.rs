//! The studio, running.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use lunora_api::{Access, Api, ApiParts, Service};
use lunora_core::{
    ExposeSecret, SecretString,
    domain::OutputType,
    plan::failover::Limits as FailoverLimits,
    port::{Clock, IdSource, PortError},
    service::{Destinations, Failover, Ports, Reconciler, SourcePorts, Sources},
};
use lunora_relay::{
    DialPolicy, HlsConfig, Idle, Ingest, Relay, RelayConfig, SrtConfig, SrtService, StartError,
    SystemResolver, WorkerCommand,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    cli::{RunArgs, Toggle},
    hls,
    http::{self, Limits},
    key_source, publish_key,
    store::{OpenError, Store},
    system::{RandomIds, SystemClock},
    terminal::{is_read_by_a_person, say},
    worker,
};

/// Why the studio does not run. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(
        "the HTTP API has no login yet, so it may not listen on {0}; give a loopback address such as 127.0.0.1:8080"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address} for HTTP; give another address with --http")]
    Http {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot listen on {address} for RTMP; give another address with --rtmp")]
    Rtmp {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot read {path}; give a PEM file with --ca")]
    Ca { path: PathBuf, source: io::Error },
    #[error("no certificate of {path} can be used; give a PEM file with --ca")]
    CaContent { path: PathBuf, source: StartError },
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the relay does not start")]
    Relay(#[source] StartError),
    #[error("the relay ended by itself, which is a bug; start the studio again")]
    RelayEnded,
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("the system tells of no Ctrl-C")]
    Signal(#[source] io::Error),
}

/// The most outputs, on or off; far below the usual limit of open files.
const OUTPUTS_MAX: usize = 500;
/// How long open HTTP requests may take once the studio stops.
const HTTP_GRACE: Duration = Duration::from_millis(500);
/// How long the first lines wait for what the SRT worker has to say.
const SRT_BEGINS: Duration = Duration::from_secs(2);

/// Runs until Ctrl-C or SIGTERM, and ends every push properly.
pub(crate) async fn run(args: RunArgs) -> Result<(), RunError> {
    if !args.http.ip().is_loopback() {
        return Err(RunError::NotLoopback(args.http));
    }
    let certificates = args.ca.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| RunError::Ca {
            path: path.clone(),
            source,
        })
    });
    let certificates = certificates.transpose()?;
    let http = TcpListener::bind(args.http).await;
    let http = http.map_err(|source| RunError::Http {
        address: args.http,
        source,
    })?;
    // The relay listens later. What keeps it from that is found before a publish key
    // is made, because only the start that makes one shows it.
    let free = std::net::TcpListener::bind(args.rtmp);
    free.map_err(|source| RunError::Rtmp {
        address: args.rtmp,
        source,
    })?;
    let mut stop = Stop::listen()?;

    let store = Store::open(&args.data.data, &key_source(), &SystemClock)?;
    let key = match store.key_problem() {
        None => publish_key::find_or_make(&*store.secrets()).await?,
        Some(problem) => {
            tracing::error!("{problem}");
            tracing::error!(
                "until then, destinations cannot start, and the publish key is a temporary \
                 one, which is shown on a terminal alone"
            );
            publish_key::PublishKey {
                text: publish_key::temporary(),
                is_new: true,
            }
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let relay = start_relay(&args, key.text.clone(), certificates, Arc::clone(&clock))?;
    let relay = Arc::new(relay);
    let ports = Ports {
        destinations: store.destinations(),
        secrets: store.secrets(),
        failovers: store.failovers(),
        router: Arc::new(relay.router()),
        events: store.events(),
        control: store.control(),
        clock,
    };
    let mut reconciler = Reconciler::new(ports.clone(), OutputType::Relay, store.hash_key());
    if args.hls == Toggle::On {
        reconciler = reconciler.with_viewers(Arc::new(worker::RelayViewers(Arc::clone(&relay))));
    }
    let reconciler = Arc::new(reconciler);
    if let Some(problem) = store.key_problem() {
        reconciler.keys_are_unreadable(problem.to_string());
    }
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds);
    let destinations = Destinations::new(ports.clone(), Arc::clone(&ids), Arc::clone(&reconciler));
    let probe = Arc::new(relay.probe());
    let failover = Failover::new(Arc::clone(&reconciler), FailoverLimits::default());
    let failover = Arc::new(failover.with_probe(Arc::clone(&probe) as _));
    let source_ports = SourcePorts {
        sources: store.sources(),
        secrets: store.secrets(),
        ingests: Arc::new(relay.ingests()),
        probe: Arc::new(relay.ingests()),
        events: store.events(),
        clock: Arc::clone(&ports.clock),
    };
    let (media, measured) = watch::channel(None);
    let sources = Sources::new(source_ports, Arc::clone(&ids), store.hash_key());
    let api = Api::new(ApiParts {
        destinations,
        reconciler: Arc::clone(&reconciler),
        failover: Arc::clone(&failover),
        ports: ports.clone(),
        hash_key: store.hash_key(),
        ids,
        program: Arc::new(worker::RelayProgram::new(Arc::clone(&relay), measured)),
        service: Service {
            name: "lunora-studio".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        access: Access::Loopback,
        sources: Some(sources.clone()),
        destination_probe: Some(probe),
    });

    // The sources first: what they send is on air before anything is pushed.
    worker::take_in(&sources).await;
    worker::make_first_pass(&reconciler).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::log(Arc::clone(&ports.events)));
    tasks.spawn(worker::make_passes(Arc::clone(&reconciler), ports.clone()));
    tasks.spawn(worker::measure(relay.ingests(), media));
    tasks.spawn(worker::test_primaries(Arc::clone(&failover)));
    tasks.spawn(worker::fail_over(Arc::clone(&relay), failover));
    tasks.spawn(worker::look_after(Arc::clone(&relay), sources));
    tasks.spawn(worker::tell_switches(relay.air(), ports.clone()));
    // It ends by itself only if the relay does.
    let mut watch = tokio::spawn(worker::watch(Arc::clone(&relay), reconciler, ports));

    let address = http.local_addr().unwrap_or(args.http);
    let srt = srt_line(&relay).await;
    greet(&args, address, relay.ingest_address(), &srt, &key);
    let (closing, closed) = tokio::sync::oneshot::channel::<()>();
    let mut routes = api.clone().into_router();
    if args.hls == Toggle::On {
        routes = routes.nest("/hls", hls::routes(&hls_folder(&args)));
    }
    let server = tokio::spawn(http::serve(http, routes, Limits::default(), async {
        let _ = closed.await;
    }));

    tokio::select! {
        () = stop.wait() => watch.abort(),
        // Whoever looks after this process starts it again; what was live is live again then.
        _ = &mut watch => {
            api.close();
            return Err(RunError::RelayEnded);
        }
    }
    say("stopping: every push is ended properly (Ctrl-C again stops at once)");
    let end = async {
        // The passes first, so that none begins what is about to end.
        tasks.shutdown().await;
        api.close();
        drop(closing);
        relay.shutdown().await;
        let _ = tokio::time::timeout(HTTP_GRACE, server).await;
    };
    tokio::select! {
        () = end => say("stopped"),
        () = stop.wait() => say("stopped at once"),
    }
    Ok(())
}

/// This program once more, whatever has become of its file meanwhile.
fn srt_worker() -> WorkerCommand {
    let itself = PathBuf::from("/proc/self/exe");
    let program = if cfg!(target_os = "linux") {
        itself
    } else {
        std::env::current_exe().unwrap_or(itself)
    };
    WorkerCommand {
        program,
        arguments: vec!["srt-worker".into()],
    }
}

/// What there is to say about SRT, once the worker has said whether libsrt is there.
async fn srt_line(relay: &Relay) -> String {
    let Some(srt) = relay.srt() else {
        return "off; --srt 127.0.0.1:9710 takes it in".to_owned();
    };
    let mut service = srt.service();
    let begun = service.wait_for(|service| *service != SrtService::Starting);
    match tokio::time::timeout(SRT_BEGINS, begun).await {
        Ok(Ok(service)) => match *service {
            SrtService::Running {
                listens: Some(address),
                ..
            } => format!("srt://{address}?streamid=<publish key>"),
            service => service.to_string(),
        },
        Ok(Err(_)) | Err(_) => SrtService::Starting.to_string(),
    }
}

/// Beside the state, and of no use to the next start but to go on from.
fn hls_folder(args: &RunArgs) -> PathBuf {
    args.data.data.join("hls")
}

fn start_relay(
    args: &RunArgs,
    publish_key: SecretString,
    certificates: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
) -> Result<Relay, RunError> {
    let config = RelayConfig {
        ingest: Some(Ingest {
            address: args.rtmp,
            publish_key,
        }),
        srt: args.srt.map(|listen| SrtConfig {
            listen,
            worker: srt_worker(),
            library: None,
        }),
        idle: match args.demo {
            Toggle::On => Idle::Demo,
            Toggle::Off => Idle::Nothing,
        },
        failover: lunora_relay::Failover::default(),
        hls: (args.hls == Toggle::On).then(|| HlsConfig::new(hls_folder(args))),
        outputs_max: OUTPUTS_MAX,
        // Only this machine reaches the API, so its users may call their own network (rule 25).
        policy: DialPolicy::Local,
        resolver: Arc::new(SystemResolver),
        certificates,
        clock,
    };
    Relay::start(config).map_err(|error| match (error, &args.ca) {
        (StartError::Listen { address, source }, _) => RunError::Rtmp { address, source },
        (source @ StartError::Certificates(_), Some(path)) => RunError::CaContent {
            path: path.clone(),
            source,
        },
        (error, _) => RunError::Relay(error),
    })
}

/// Says where everything is. The publish key is shown this once, and to a person
/// alone: a journal or a log of a container is kept, and read by others.
fn greet(
    args: &RunArgs,
    http: SocketAddr,
    rtmp: Option<SocketAddr>,
    srt: &str,
    key: &publish_key::PublishKey,
) {
    let rtmp = rtmp.unwrap_or(args.rtmp);
    say(format_args!("Lunora studio {}", env!("CARGO_PKG_VERSION")));
    if key.is_new && is_read_by_a_person() {
        let text = key.text.expose_secret();
        say(format_args!("  publish   rtmp://{rtmp}/live/{text}"));
        say(format_args!(
            "            OBS: server rtmp://{rtmp}/live, stream key {text} (shown this once)"
        ));
    } else {
        say(format_args!("  publish   rtmp://{rtmp}/live/<publish key>"));
        say("            (`studio publish-key` shows it while the studio is stopped)");
    }
    say(format_args!("  SRT       {srt}"));
    say(format_args!("  API       http://{http}/api/destinations"));
    if args.hls == Toggle::On {
        say(format_args!("  watch     http://{http}/hls/live.m3u8"));
    }
    say(format_args!(
        "  on air    {}",
        match args.demo {
            Toggle::On => "the test stream, until an encoder publishes",
            Toggle::Off => "nothing, until an encoder publishes",
        }
    ));
    say(format_args!("  state     {}", args.data.data.display()));
    say("");
    say("Try it: receive a push in a second terminal, with `studio sink` or");
    say("`cargo run --release -- sink`, then add a destination:");
    say(format_args!(
        "  curl -H 'content-type: application/json' http://{http}/api/destinations \
         -d '{{\"name\":\"first\",\"platform\":\"custom\",\
         \"rtmp_url\":\"rtmp://127.0.0.1:1940/live/first\",\"start\":true}}'"
    ));
    say("");
}

/// The two ways to ask a process to stop.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, RunError> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(RunError::Signal)?,
            terminate: signal(SignalKind::terminate()).map_err(RunError::Signal)?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::DataArgs;

    use super::*;

    #[tokio::test]
    async fn a_first_start_whose_rtmp_address_is_taken_makes_no_publish_key() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let args = RunArgs {
            data: DataArgs { data: data.clone() },
            http: "127.0.0.1:0".parse().unwrap(),
            rtmp: taken.local_addr().unwrap(),
            demo: Toggle::Off,
            hls: Toggle::Off,
            srt: None,
            ca: None,
        };

        let outcome = run(args).await;

        assert!(matches!(outcome, Err(RunError::Rtmp { .. })), "{outcome:?}");
        assert!(!data.exists());
    }
}
