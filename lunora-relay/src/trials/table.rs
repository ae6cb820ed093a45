//! Each way in which a destination fails: its fault, what a test of it says beforehand, and what
//! Lunora does by itself.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use lunora_core::{
    domain::{Aspect, FaultClass, FaultCode, Finding, Outcome, OutputSpec, OutputState, Switch},
    port::{Depth, DestinationProbe as _, OutputRouter as _},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

use super::stage::{Answer, Stage, rejecting, secure_sink, sink, spec};
use crate::sink::{Behaviour, Identity, Moment, Sink, Words};

/// For so long each is pushed to.
const TIME: Duration = Duration::from_secs(150);

/// One way to fail.
struct Row {
    name: &'static str,
    far: Far,
    /// What is shown; nothing if all is well.
    fault: Option<(FaultCode, FaultClass)>,
    /// Where a test finds the same; `None` if a test cannot see it.
    preflight: Option<Aspect>,
    retries: Retries,
}

/// What there is at the far end.
enum Far {
    /// A server, in the clear.
    Plain(Behaviour),
    /// A server that is called with TLS and has none.
    Unsecured(Behaviour),
    /// A server that is called in the clear and wants TLS.
    Secured,
    /// A server whose certificate is for another name.
    Misnamed,
    /// A server whose certificate is from an authority that nobody knows.
    Unknown,
    /// A machine on which nobody listens.
    Nobody,
    /// A machine that answers nothing.
    Blackhole,
    /// A name that leads there.
    Name(Answer),
    /// An address that is called as it stands.
    Address(&'static str),
}

/// How it is tried again.
#[derive(Clone, Copy, Debug)]
enum Retries {
    /// Soon, and later and later up to half a minute.
    Backoff,
    /// From ten seconds to a minute.
    Slow,
    /// Not before a person acts.
    Never,
    /// There is no need.
    None,
}

impl Retries {
    /// The shortest and the longest wait before the try with this number, and the fewest waits.
    fn bounds(self, number: u32) -> (Duration, Duration) {
        let (shortest, first, longest) = match self {
            Self::Backoff => (250, 2_500, 30_000),
            Self::Slow => (10_000, 20_000, 60_000),
            Self::Never | Self::None => (0, 0, 0),
        };
        let longest = longest.min(first << number.min(10));
        // The clock counts whole milliseconds.
        let longest = Duration::from_millis(longest + 2);
        (Duration::from_millis(shortest), longest)
    }

    const fn fewest(self) -> usize {
        match self {
            Self::Backoff => 4,
            Self::Slow => 2,
            Self::Never | Self::None => 0,
        }
    }
}

fn refusing(code: &str, description: &str) -> Far {
    let (code, description) = (code.to_owned(), description.to_owned());
    Far::Plain(Behaviour::Refuse { code, description })
}

fn says(words: Words) -> Far {
    Far::Plain(Behaviour::SayAfter { frames: 50, words })
}

fn rows(elsewhere: &Sink) -> Vec<Row> {
    use FaultClass::{Actionable, Terminal, Transient};
    use FaultCode as Code;
    use Retries::{Backoff, Never, Slow};
    let row = |name, far, (code, class), preflight, retries| Row {
        name,
        far,
        fault: Some((code, class)),
        preflight,
        retries,
    };
    let (name, tcp, tls) = (Some(Aspect::Name), Some(Aspect::Tcp), Some(Aspect::Tls));
    let (connect, publish) = (Some(Aspect::Connect), Some(Aspect::Publish));
    let hang_up = |at| Far::Plain(Behaviour::HangUp { at });
    let mute = |at| Far::Plain(Behaviour::Mute { at });
    let reject = |code, words| Far::Plain(rejecting(code, words));
    let metadata = Answer::At([169, 254, 169, 254].into());
    let huge = Words::Complaint {
        code: "NetStream.Publish.Denied".into(),
        description: "no, and again no; ".repeat(3_000),
    };
    let away = Words::Elsewhere {
        url: format!("rtmp://{}/app", elsewhere.address()),
    };
    #[rustfmt::skip]
    let mut rows = vec![
        // On the way there.
        row("no such name", Far::Name(Answer::Nowhere), (Code::Dns, Transient), name, Backoff),
        row("a name that nobody answers for", Far::Name(Answer::Never), (Code::Dns, Transient), name, Backoff),
        row("a name that leads astray", Far::Name(metadata), (Code::Invalid, Actionable), name, Slow),
        row("an address that is never called", Far::Address("169.254.7.7"), (Code::Invalid, Terminal), name, Never),
        row("nobody listens", Far::Nobody, (Code::Refused, Transient), tcp, Backoff),
        row("a machine that answers nothing", Far::Blackhole, (Code::Timeout, Transient), tcp, Backoff),
        // TLS.
        row("a certificate for another name", Far::Misnamed, (Code::Tls, Actionable), tls, Slow),
        row("a certificate that nobody knows", Far::Unknown, (Code::Tls, Actionable), tls, Slow),
        row("TLS to a server without it", Far::Unsecured(Behaviour::Take), (Code::Tls, Transient), tls, Backoff),
        row("TLS that nobody answers", Far::Unsecured(Behaviour::Silence), (Code::Timeout, Transient), tls, Backoff),
        row("no TLS to a server that wants it", Far::Secured, (Code::Invalid, Actionable), connect, Slow),
        // Before the publish.
        row("never answers the handshake", Far::Plain(Behaviour::Silence), (Code::Timeout, Transient), connect, Backoff),
        row("closes during the handshake", hang_up(Moment::Handshake), (Code::RemoteClosed, Transient), connect, Backoff),
        row("speaks no RTMP", Far::Plain(Behaviour::Babble), (Code::Invalid, Actionable), connect, Slow),
        row("closes when it hears the application", hang_up(Moment::Connect), (Code::RemoteClosed, Transient), connect, Backoff),
        row("never answers the application", mute(Moment::Connect), (Code::Timeout, Transient), connect, Backoff),
        row("does not know the application", refusing("NetConnection.Connect.InvalidApp", ""), (Code::Invalid, Actionable), connect, Slow),
        row("wants to know who we are", refusing("NetConnection.Connect.Rejected", "[ code=403 need auth; authmod=adobe ]"), (Code::AuthRejected, Actionable), connect, Slow),
        row("refuses for a reason of its own", refusing("NetConnection.Connect.Rejected", "the moon is full"), (Code::Unknown, Actionable), connect, Slow),
        // The publish.
        row("refuses the key", reject("NetStream.Publish.BadName", ""), (Code::AuthRejected, Actionable), publish, Slow),
        row("is published to by somebody else", reject("NetStream.Publish.BadName", "Already publishing"), (Code::NameInUse, Transient), publish, Slow),
        row("has no room", reject("NetStream.Publish.Rejected", "Quota exceeded"), (Code::Quota, Actionable), publish, Slow),
        row("is asked too often", reject("NetStream.Publish.Rejected", "Rate limit exceeded"), (Code::Throttled, Transient), publish, Slow),
        row("does not take the codec", reject("NetStream.Publish.Rejected", "unsupported codec"), (Code::FormatRejected, Actionable), publish, Slow),
        row("has an error of its own", reject("NetStream.Publish.Rejected", "internal server error"), (Code::Provider, Transient), publish, Slow),
        row("closes when it hears the key", hang_up(Moment::Publish), (Code::RemoteClosed, Transient), publish, Backoff),
        row("never answers the publish", mute(Moment::Publish), (Code::Timeout, Transient), publish, Backoff),
        // While it is sent to: no test that sends nothing can see these.
        row("accepts, and closes at once", Far::Plain(Behaviour::CloseAfter { frames: 0 }), (Code::RemoteClosed, Transient), None, Backoff),
        row("closes after a while", Far::Plain(Behaviour::CloseAfter { frames: 100 }), (Code::RemoteClosed, Transient), None, Backoff),
        row("breaks off", Far::Plain(Behaviour::ResetAfter { frames: 100 }), (Code::RemoteClosed, Transient), None, Backoff),
        row("stops reading", Far::Plain(Behaviour::Stall), (Code::Wedged, Transient), None, Backoff),
        row("reads a fifth of what comes", Far::Plain(Behaviour::Trickle { bytes_per_second: 8_000 }), (Code::Wedged, Transient), None, Backoff),
        row("reads 1 KB a second", Far::Plain(Behaviour::Trickle { bytes_per_second: 1_000 }), (Code::Wedged, Transient), None, Backoff),
        row("talks garbage", says(Words::Garbage), (Code::Provider, Transient), None, Backoff),
        row("complains at great length", says(huge), (Code::AuthRejected, Actionable), None, Slow),
        row("sends us elsewhere", says(away), (Code::RemoteClosed, Transient), None, Backoff),
    ];
    rows.push(Row {
        name: "changes its chunk size",
        far: says(Words::ChunkSizes),
        fault: None,
        preflight: None,
        retries: Retries::None,
    });
    rows
}

/// Somebody who certifies.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn identity(&self, name: &str) -> Option<Identity> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Some(Identity {
            certificates: certificate.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        })
    }
}

/// A port whose queue of callers is full, so that the system answers nobody else.
async fn blackhole() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    (address, (listener, first))
}

/// One row, played.
struct Play {
    row: Row,
    host: String,
    spec: OutputSpec,
    finding: Finding,
}

impl Play {
    /// What is not as the row says.
    fn complaints(&self, story: &super::stage::Story, tries: &[Instant]) -> Vec<String> {
        let Row {
            fault,
            preflight,
            retries,
            ..
        } = &self.row;
        let mut complaints = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                complaints.push(format!("{}: {what}", self.row.name));
            }
        };
        let faults = story.faults(&self.spec);
        expect(faults.is_empty() == fault.is_none(), format!("{faults:?}"));
        for (_, it) in faults {
            expect(Some((it.code, it.class)) == *fault, format!("{it:?}"));
            let text = it.text.as_str();
            expect(!text.contains("canary"), format!("a secret in {text:?}"));
        }

        let tested = format!("{:?}", self.finding);
        expect(!tested.contains("canary"), format!("a secret in {tested}"));
        let failed = self.finding.checks.iter().find_map(|it| match &it.outcome {
            Outcome::Failed(fault) => Some((it.aspect, (fault.code, fault.class))),
            _ => None,
        });
        let expected = preflight.zip(*fault);
        expect(failed == expected, format!("tested: {tested}"));

        let waits = story.waits(&self.spec, tries);
        for (number, wait) in (0..).zip(&waits) {
            let (from, to) = retries.bounds(number);
            let is_in = from <= *wait && *wait <= to;
            expect(is_in, format!("wait {number} of {waits:?}"));
        }
        let has_jitter = waits.len() < 3 || waits.iter().any(|it| *it != waits[0]);
        expect(has_jitter, format!("all waits are equal: {waits:?}"));
        expect(
            retries.fewest() <= waits.len(),
            format!("only {} retries: {faults:?}", waits.len()),
        );
        complaints
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_each_failure_has_its_fault_its_preflight_and_its_retries() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let stage = Stage::trusting(Some(trusted.0.pem().into_bytes()));
    let (good, elsewhere) = (sink(Behaviour::Take).await, sink(Behaviour::Take).await);
    let (hole, _full) = blackhole().await;
    let sibling = spec(0, &format!("rtmp://{}/app", good.address()), Switch::On);
    let (mut sinks, mut plays) = (Vec::new(), Vec::new());

    for (number, row) in (1..).zip(rows(&elsewhere)) {
        let host = format!("far-{number}.test");
        let mut serve = async |behaviour: &Behaviour, identity| {
            let sink = secure_sink(behaviour.clone(), identity).await;
            let port = sink.address().port();
            sinks.push(sink);
            port
        };
        let take = &Behaviour::Take;
        let url = match &row.far {
            Far::Plain(it) => format!("rtmp://{host}:{}/app", serve(it, None).await),
            Far::Unsecured(it) => format!("rtmps://{host}:{}/app", serve(it, None).await),
            Far::Secured => {
                let port = serve(take, trusted.identity(&host)).await;
                format!("rtmp://{host}:{port}/app")
            }
            Far::Misnamed => {
                let port = serve(take, trusted.identity("other.test")).await;
                format!("rtmps://{host}:{port}/app")
            }
            Far::Unknown => {
                let port = serve(take, unknown.identity(&host)).await;
                format!("rtmps://{host}:{port}/app")
            }
            Far::Nobody => {
                // This machine, by an address and a port that no test uses.
                stage.book.set(&host, Answer::At([127, 77, 77, 77].into()));
                format!("rtmp://{host}:9/app")
            }
            Far::Blackhole => format!("rtmp://{host}:{}/app", hole.port()),
            Far::Name(answer) => {
                stage.book.set(&host, *answer);
                format!("rtmp://{host}/app")
            }
            Far::Address(address) => format!("rtmp://{address}/app"),
        };
        let spec = spec(number, &url, Switch::On);
        let begun = Instant::now();
        let probe = stage.relay.probe();
        let finding = probe.probe(&spec.target, Depth::Publish).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(15), "{}", row.name);
        plays.push(Play {
            row,
            host,
            spec,
            finding,
        });
    }
    stage.book.forget_tries();
    let tested: usize = elsewhere.publishes().len();

    stage.push(std::slice::from_ref(&sibling)).await;
    let specs: Vec<_> = plays.iter().map(|play| play.spec.clone()).collect();
    stage.push(&specs).await;
    let story = stage.watch(TIME).await;

    let complaints = plays
        .iter()
        .flat_map(|play| play.complaints(&story, &stage.book.tries(&play.host)));
    let complaints: Vec<_> = complaints.collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(18 <= plays.len());
    assert_eq!(
        (tested, elsewhere.publishes().len()),
        (0, 0),
        "nobody is sent elsewhere"
    );

    // Nobody else noticed.
    let health = stage.health(&sibling).await;
    let publish = good.publishes().remove(0);
    assert_eq!(health.state, OutputState::Live);
    assert_eq!(health.progress.frames_dropped, 0);
    assert_eq!((good.publishes().len(), publish.facts.gaps), (1, 0));
    // 25 pictures and 46.875 audio frames a second.
    let least = TIME.as_secs() * 71;
    assert!(least < publish.facts.frames(), "{:?}", publish.facts);

    // Whatever it waits for, it is over once it is told so.
    let ids: Vec<_> = specs.iter().map(|spec| spec.id.clone()).collect();
    let begun = Instant::now();
    stage.router.detach(&ids).await;
    assert!(begun.elapsed() <= Duration::from_millis(1_100));
    stage.book.forget_tries();
    sleep(Duration::from_secs(120)).await;
    for play in &plays {
        assert!(stage.book.tries(&play.host).is_empty(), "{}", play.row.name);
    }
}
