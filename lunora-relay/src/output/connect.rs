//! From a target to an accepted publish.

use std::{sync::Arc, time::Duration};

use lunora_core::domain::{PushTarget, Scheme};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{chatter::Chatter, classify::Trouble};
use crate::{
    dial::{DialPolicy, Resolver, dial},
    tls::Tls,
    transport::Transport,
    wire::{
        client::{ClientConfig, ClientEvent, ClientSession},
        handshake::{ClientHandshake, Progress, RANDOM_LEN},
    },
};

/// Within which a publish is accepted, from the look-up of the name on.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What we call ourselves: many servers know no other name than that of Adobe's encoder.
const FLASH_VER: &str = "FMLE/3.0 (compatible; Lunora)";

/// Makes connections that a program can be sent on.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) policy: DialPolicy,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) tls: Tls,
}

/// A connection on which the far end waits for media.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) transport: Transport,
    pub(crate) session: ClientSession,
    pub(crate) stream_id: u32,
}

impl Caller {
    /// Connects and asks to publish, announcing the enhanced codecs in `fourcc`.
    pub(crate) async fn publish(
        &self,
        target: &PushTarget,
        fourcc: Vec<String>,
    ) -> Result<Published, Trouble> {
        let deadline = Instant::now() + CONNECT_MAX;
        let within = |doing| move |_| Trouble::Silent(doing);

        let (host, port) = (target.url.host(), target.url.port());
        let dialling = dial(host, port, self.policy, &*self.resolver, deadline);
        // Dialling keeps the deadline itself, so what is late here is the look-up.
        let late = deadline + Duration::from_millis(100);
        let socket = timeout_at(late, dialling)
            .await
            .map_err(|_| Trouble::Resolving)?;
        let socket = socket.map_err(Trouble::Dial)?;

        let transport = self.secure(socket, target);
        let transport = timeout_at(deadline, transport).await;
        let transport = transport.map_err(within("while agreeing on TLS"))??;

        let session = ClientSession::new(ClientConfig {
            app: target.app(),
            tc_url: target.tc_url(),
            // The router takes nothing but RTMP, which is never without one.
            stream_name: target.stream_name().cloned().unwrap_or_default(),
            flash_ver: FLASH_VER.to_owned(),
            fourcc,
        });
        let rest = timeout_at(deadline, shake_hands(&transport)).await;
        let rest = rest.map_err(within("during the RTMP handshake"))??;
        let published = timeout_at(deadline, ask(transport, session, &rest)).await;
        published.map_err(within("to the request to publish"))?
    }

    async fn secure(&self, socket: TcpStream, target: &PushTarget) -> Result<Transport, Trouble> {
        if target.url.scheme() == Scheme::Rtmps {
            let (socket, session) = self
                .tls
                .agree(socket, target.url.host())
                .await
                .map_err(Trouble::Tls)?;
            return Ok(Transport::tls(socket, session));
        }
        Ok(Transport::plain(socket))
    }
}

/// Does the handshake and returns what the far end sent behind it.
async fn shake_hands(transport: &Transport) -> Result<Vec<u8>, Trouble> {
    let mut random = [0; RANDOM_LEN];
    getrandom::fill(&mut random).map_err(|_| Trouble::Random)?;
    let mut handshake = ClientHandshake::new(&random);
    let mut buffer = vec![0; 4096];
    loop {
        while let Some(bytes) = handshake.poll_output() {
            transport.write_all(&bytes).await.map_err(Trouble::Broken)?;
        }
        let input = read(transport, &mut buffer, "during the RTMP handshake").await?;
        if let Progress::Done { used } =
            handshake.handle_input(input).map_err(Trouble::Handshake)?
        {
            let rest = input.get(used..).unwrap_or_default().to_vec();
            while let Some(bytes) = handshake.poll_output() {
                transport.write_all(&bytes).await.map_err(Trouble::Broken)?;
            }
            return Ok(rest);
        }
    }
}

/// Asks to publish and waits for the answer.
async fn ask(
    transport: Transport,
    mut session: ClientSession,
    rest: &[u8],
) -> Result<Published, Trouble> {
    let (mut buffer, mut chatter) = (vec![0; 4096], Chatter::default());
    session.start();
    let mut output = chatter
        .answer(&mut session, rest)
        .map_err(Trouble::Session)?;
    loop {
        if let Some(bytes) = output {
            transport.write_all(&bytes).await.map_err(Trouble::Broken)?;
        }
        while let Some(event) = session.poll_event() {
            if let ClientEvent::Publishing { stream_id } = event {
                return Ok(Published {
                    transport,
                    session,
                    stream_id,
                });
            }
            trouble_in(event).map_or(Ok(()), Err)?;
        }
        let input = read(&transport, &mut buffer, "before it accepted the publish").await?;
        output = chatter
            .answer(&mut session, input)
            .map_err(Trouble::Session)?;
    }
}

/// What in an event of the far end ends the connection.
pub(super) fn trouble_in(event: ClientEvent) -> Option<Trouble> {
    match event {
        ClientEvent::Rejected {
            stage,
            code,
            description,
        } => Some(Trouble::Rejected {
            stage,
            code,
            description,
        }),
        ClientEvent::StatusError { code, description } => {
            Some(Trouble::Complained { code, description })
        }
        ClientEvent::Closed => Some(Trouble::Closed("as it said")),
        // Wherever it points: the target is what a person entered, so that is called again.
        ClientEvent::ReconnectRequested { .. } => Some(Trouble::AskedBack),
        ClientEvent::Connected { .. }
        | ClientEvent::Publishing { .. }
        | ClientEvent::Acknowledged { .. } => None,
    }
}

async fn read<'a>(
    transport: &Transport,
    buffer: &'a mut [u8],
    doing: &'static str,
) -> Result<&'a [u8], Trouble> {
    match transport.read(buffer).await.map_err(Trouble::Broken)? {
        0 => Err(Trouble::Closed(doing)),
        len => Ok(buffer.get(..len).unwrap_or_default()),
    }
}
