//! From a target to an accepted publish.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use lunora_core::domain::{PushTarget, Scheme};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    chatter::Chatter,
    classify::Trouble,
    held::{Held, Names},
};
use crate::{
    dial::{DialPolicy, Permitted, Resolver, look_up},
    tls::Tls,
    transport::Transport,
    wire::{
        client::{ClientConfig, ClientEvent, ClientSession},
        handshake::{ClientHandshake, Progress, RANDOM_LEN},
    },
};

/// Within which a publish is accepted, from the look-up of the name on.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a goodbye may take.
pub(super) const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// What we call ourselves: many servers know no other name than that of Adobe's encoder.
const FLASH_VER: &str = "FMLE/3.0 (compatible; Lunora)";

/// Makes connections that a program can be sent on.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) policy: DialPolicy,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) tls: Tls,
    pub(crate) names: Names,
}

/// A connection to a server that has accepted the application, and was told nothing more.
#[derive(Debug)]
pub(crate) struct Connected {
    transport: Transport,
    session: ClientSession,
    chatter: Chatter,
    /// What is to be said next: our answers, and the questions that lead to a publish.
    output: Option<Bytes>,
}

/// A connection on which the far end waits for media.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) transport: Transport,
    pub(crate) session: ClientSession,
    pub(crate) stream_id: u32,
    /// For as long as the publish goes on.
    pub(crate) held: Held,
}

impl Caller {
    /// The same for somebody else, whom nobody who pushes waits for.
    pub(crate) fn apart(&self) -> Self {
        Self {
            tls: self.tls.apart(),
            ..self.clone()
        }
    }

    /// Connects and asks to publish, announcing the enhanced codecs in `fourcc`.
    pub(crate) async fn publish(
        &self,
        target: &PushTarget,
        fourcc: Vec<String>,
    ) -> Result<Published, Trouble> {
        let call = self.call(target);
        let addresses = call.look_up().await?;
        let socket = call.dial(addresses).await?;
        let transport = call.secure(socket).await?;
        let connected = call.connect(transport, fourcc).await?;
        call.publish(connected).await
    }

    /// A call of this target, whose time begins to run now.
    pub(crate) fn call<'a>(&'a self, target: &'a PushTarget) -> Call<'a> {
        let deadline = Instant::now() + CONNECT_MAX;
        Call {
            caller: self,
            target,
            deadline,
        }
    }
}

/// One way from a target to an accepted publish, stage by stage: a push goes all of it, a test as
/// far as it is told (rule 25). All stages share one deadline.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    caller: &'a Caller,
    target: &'a PushTarget,
    deadline: Instant,
}

impl Call<'_> {
    /// Resolves the name, and checks its addresses.
    pub(crate) async fn look_up(&self) -> Result<Permitted, Trouble> {
        let Caller {
            policy, resolver, ..
        } = self.caller;
        let (host, port) = (self.target.url.host(), self.target.url.port());
        let looking = look_up(host, port, *policy, &**resolver);
        let found = timeout_at(self.deadline, looking).await;
        found
            .map_err(|_| Trouble::Resolving)?
            .map_err(Trouble::Dial)
    }

    /// Opens a connection.
    pub(crate) async fn dial(&self, addresses: Permitted) -> Result<TcpStream, Trouble> {
        addresses.call(self.deadline).await.map_err(Trouble::Dial)
    }

    /// Agrees on TLS, where the target asks for it.
    pub(crate) async fn secure(&self, socket: TcpStream) -> Result<Transport, Trouble> {
        if self.target.url.scheme() != Scheme::Rtmps {
            return Ok(Transport::plain(socket));
        }
        let agreeing = self.caller.tls.agree(socket, self.target.url.host());
        let agreed = self.within("while agreeing on TLS", agreeing).await?;
        let (socket, session) = agreed.map_err(Trouble::Tls)?;
        Ok(Transport::tls(socket, session))
    }

    /// Does the handshake and names the application. The key is not said.
    pub(crate) async fn connect(
        &self,
        transport: Transport,
        fourcc: Vec<String>,
    ) -> Result<Connected, Trouble> {
        let shaking = shake_hands(&transport);
        let rest = self.within("during the RTMP handshake", shaking).await??;
        let session = ClientSession::new(ClientConfig {
            app: self.target.app(),
            tc_url: self.target.tc_url(),
            // The router takes nothing but RTMP, which is never without one.
            stream_name: self.target.stream_name().cloned().unwrap_or_default(),
            flash_ver: FLASH_VER.to_owned(),
            fourcc,
        });
        let naming = name_application(transport, session, &rest);
        self.within("to the request to connect", naming).await?
    }

    /// Asks to publish.
    pub(crate) async fn publish(&self, connected: Connected) -> Result<Published, Trouble> {
        let asking = ask(connected, self.caller.names.hold(self.target));
        self.within("to the request to publish", asking).await?
    }

    /// Does it before the deadline; it is silence while `doing` this that is complained of.
    async fn within<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let done = timeout_at(self.deadline, work).await;
        done.map_err(|_| Trouble::Silent(doing))
    }
}

impl Connected {
    /// Leaves without a word about publishing.
    pub(crate) async fn leave(self) {
        part(&self.transport).await;
    }
}

impl Published {
    /// Ends a publish that nothing was sent on, in good order.
    pub(crate) async fn leave(mut self) {
        self.session.close();
        let saying = async {
            if let Some(bytes) = self.session.take_output() {
                self.transport.write_all(&bytes).await?;
            }
            io::Result::Ok(())
        };
        let has_said = matches!(timeout(GOODBYE_MAX, saying).await, Ok(Ok(())));
        if has_said && part(&self.transport).await {
            self.held.part();
        }
    }
}

/// Ends a connection and waits until the far end has done so too; false if it did not in time.
pub(crate) async fn part(transport: &Transport) -> bool {
    let parting = async {
        transport.end().await?;
        let mut buffer = [0; 1024];
        while transport.read(&mut buffer).await? != 0 {}
        io::Result::Ok(())
    };
    matches!(timeout(GOODBYE_MAX, parting).await, Ok(Ok(())))
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

/// Names the application and waits for the answer.
async fn name_application(
    transport: Transport,
    mut session: ClientSession,
    rest: &[u8],
) -> Result<Connected, Trouble> {
    let (mut buffer, mut chatter) = (vec![0; 4096], Chatter::default());
    session.start();
    let mut output = chatter
        .answer(&mut session, rest)
        .map_err(Trouble::Session)?;
    loop {
        while let Some(event) = session.poll_event() {
            if let ClientEvent::Connected { .. } = event {
                return Ok(Connected {
                    transport,
                    session,
                    chatter,
                    output,
                });
            }
            trouble_in(event).map_or(Ok(()), Err)?;
        }
        if let Some(bytes) = output {
            transport.write_all(&bytes).await.map_err(Trouble::Broken)?;
        }
        let input = read(
            &transport,
            &mut buffer,
            "before it accepted the application",
        )
        .await?;
        output = chatter
            .answer(&mut session, input)
            .map_err(Trouble::Session)?;
    }
}

/// Asks to publish and waits for the answer.
async fn ask(connected: Connected, mut held: Held) -> Result<Published, Trouble> {
    let Connected {
        transport,
        mut session,
        mut chatter,
        mut output,
    } = connected;
    let mut buffer = vec![0; 4096];
    loop {
        if let Some(bytes) = output {
            transport.write_all(&bytes).await.map_err(Trouble::Broken)?;
        }
        while let Some(event) = session.poll_event() {
            if let ClientEvent::Publishing { stream_id } = event {
                held.accept();
                return Ok(Published {
                    transport,
                    session,
                    stream_id,
                    held,
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
