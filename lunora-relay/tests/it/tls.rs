//! RTMPS against an authority of our own.

use std::net::{Ipv4Addr, SocketAddr};

use lunora_core::domain::{FaultClass, FaultCode, OutputState};
use lunora_relay::{
    CertificatesError, Idle, Relay, StartError,
    sink::{End, Identity, Keep, Sink, SinkConfig},
    wire::message::MessageKind,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Footage, Stage, payloads, sink, until};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A sink that proves to be `name`.
    async fn sink(&self, name: &str) -> Sink {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let identity = Identity {
            certificates: certificate.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let keep = Keep::Messages;
        let config = SinkConfig {
            identity: Some(identity),
            keep,
            ..SinkConfig::new(address)
        };
        Sink::start(config).await.unwrap()
    }
}

#[tokio::test]
async fn rtmps_carries_every_byte_to_a_trusted_far_end_and_says_goodbye() {
    let authority = Authority::new();
    let stage = Stage::trusting(Idle::Nothing, Some(authority.pem()));
    let sink = authority.sink("localhost").await;
    let url = format!("rtmps://localhost:{}/app", sink.address().port());
    let id = stage.push(1, &url, "k").await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    let mut sent = footage.headers();
    encoder.send(&sent).await;
    for _ in 0..5 {
        let group = footage.group_of(40_000);
        encoder.send(&group).await;
        sent.extend(group);
        let frames = sent.len() as u64 - 3;
        until(&sink, "k", |publish| publish.facts.frames() == frames).await;
    }

    stage.until_state(&id, OutputState::Live).await;
    stage.detach(&id).await;

    let publish = until(&sink, "k", |publish| publish.end.is_some()).await;
    assert_eq!(publish.end, Some(End::Unpublished));
    for kind in [
        MessageKind::DataAmf0,
        MessageKind::Video,
        MessageKind::Audio,
    ] {
        assert_eq!(
            payloads(&publish.messages, kind),
            payloads(&sent, kind),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_or_by_an_unknown_authority_is_a_fault_for_a_person() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let stage = Stage::trusting(Idle::Demo, Some(trusted.pem()));
    let sinks = [
        trusted.sink("other.test").await,
        unknown.sink("localhost").await,
    ];
    for (n, sink) in (1..).zip(&sinks) {
        let url = format!("rtmps://localhost:{}/app", sink.address().port());
        let id = stage.push(n, &url, "k").await;

        let health = stage.until_fault(&id, FaultCode::Tls).await;

        assert_eq!(health.fault.unwrap().class, FaultClass::Actionable);
        assert!(sink.publishes().is_empty());
    }
}

#[tokio::test]
async fn tls_to_a_plain_server_and_plain_to_a_tls_server_are_faults_and_no_more() {
    let authority = Authority::new();
    let stage = Stage::trusting(Idle::Demo, Some(authority.pem()));
    let (plain, secure) = (sink().await, authority.sink("localhost").await);
    let urls = [
        format!("rtmps://localhost:{}/app", plain.address().port()),
        format!("rtmp://localhost:{}/app", secure.address().port()),
    ];
    for (n, url) in (1..).zip(urls) {
        let id = stage.push(n, &url, "k").await;
        stage
            .until_health(&id, |health| health.fault.is_some())
            .await;
    }
}

#[tokio::test]
async fn certificates_that_are_none_are_refused_at_the_start() {
    let start =
        |pem: &[u8]| Relay::start(Stage::config(Idle::Nothing, Some(pem.to_vec()))).unwrap_err();
    assert!(matches!(
        start(b"nothing"),
        StartError::Certificates(CertificatesError::Empty)
    ));
    let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        start(broken),
        StartError::Certificates(CertificatesError::Pem(_))
    ));
}
