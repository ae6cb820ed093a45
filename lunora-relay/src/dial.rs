//! The one way out: who may be called, and the call (rule 25).
//!
//! A name is resolved for every call, each of its addresses is checked, and the address that was
//! checked is the one that is called. So a name that means one address when it is checked and
//! another when it is used gains nothing.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use lunora_core::domain::Host;
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// What the kernel may hold of what was written. Left alone it takes 4 MB, five seconds of video
/// that no policy here could see.
const SEND_BUFFER: usize = 1 << 20;
/// Of it, what may wait to be sent for the first time before the socket counts as full.
const UNSENT_MAX: u32 = 128 * 1024;
/// A far end that confirms nothing for this long is gone.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(15);

/// Where clouds hand out credentials to their own machines, besides link-local addresses.
const METADATA: [IpAddr; 7] = [
    // Of many, and link-local anyway.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Of Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Of Azure: a public address that only its own machines reach.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Of AWS.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Of Google.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Of Oracle.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    // Of Scaleway.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

/// Which addresses may be called.
///
/// Link-local addresses and those where clouds hand out credentials never may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialPolicy {
    /// Addresses of the public internet alone.
    Public,
    /// Also this machine and private networks: for a service that only this machine reaches.
    Local,
}

impl DialPolicy {
    /// Whether this address may be called.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match (reach(address), self) {
            (Reach::Public, _) | (Reach::Private, Self::Local) => true,
            (Reach::Private, Self::Public) | (Reach::Nobody, _) => false,
        }
    }
}

enum Reach {
    Public,
    Private,
    Nobody,
}

fn reach(address: IpAddr) -> Reach {
    match address {
        _ if METADATA.contains(&address) => Reach::Nobody,
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        _ if address.is_link_local() => Reach::Nobody,
        // "This network", multicast and what is above it.
        [0 | 224.., ..] => Reach::Nobody,
        // For protocols, examples, the old way to 6to4, and measurements.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Nobody,
        [192, 88, 99, _] | [198, 18 | 19, ..] => Reach::Nobody,
        // Of carriers, for their customers.
        [100, 64..=127, ..] => Reach::Private,
        _ if address.is_loopback() || address.is_private() => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        _ if address.is_loopback() => Reach::Private,
        // NAT64 leads to the IPv4 address in its end.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            let [.., a, b, c, d] = address.octets();
            reach(Ipv4Addr::new(a, b, c, d).into())
        }
        // Unspecified, and IPv4 in disguise: mapped, compatible, translated, 6to4, Teredo.
        [0, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Reach::Nobody,
        // For discarding, and for examples.
        [0x100, 0, 0, 0, ..] | [0x2001, 0xdb8, ..] => Reach::Nobody,
        [first, ..] if first & 0xFFC0 == 0xFE80 || first & 0xFF00 == 0xFF00 => Reach::Nobody,
        [first, ..] if first & 0xFE00 == 0xFC00 || first & 0xFFC0 == 0xFEC0 => Reach::Private,
        _ => Reach::Public,
    }
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// All addresses, the preferred first.
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// Asks the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// Why nobody was reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the host name cannot be resolved")]
    Unresolved(#[source] io::Error),
    #[error("the host name has no address")]
    NoAddress,
    #[error("the address {0} may not be called from here")]
    Denied(IpAddr),
    #[error("no answer from {0}")]
    Silent(SocketAddr),
    #[error("cannot connect to {0}")]
    Failed(SocketAddr, #[source] io::Error),
}

/// Addresses of one host that were checked and may be called. Nothing else can be called: so what
/// was checked is what is called, by a push and by a test alike.
#[derive(Debug)]
pub(crate) struct Permitted(Vec<SocketAddr>);

/// Finds a host's addresses and keeps those that may be called.
pub(crate) async fn look_up(
    host: &Host,
    port: u16,
    policy: DialPolicy,
    resolver: &dyn Resolver,
) -> Result<Permitted, DialError> {
    let addresses = match host {
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Name(name) => resolver
            .resolve(name, port)
            .await
            .map_err(DialError::Unresolved)?,
    };
    let (permitted, denied): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .take(ADDRESSES_MAX)
        .partition(|address| policy.allows(address.ip()));
    match (permitted.is_empty(), denied.first()) {
        (false, _) => Ok(Permitted(permitted)),
        (true, Some(denied)) => Err(DialError::Denied(denied.ip())),
        (true, None) => Err(DialError::NoAddress),
    }
}

impl Permitted {
    /// Calls whichever of them answers, before the deadline.
    pub(crate) async fn call(self, deadline: Instant) -> Result<TcpStream, DialError> {
        let mut error = DialError::NoAddress;
        let mut left = self.0.len();
        for address in self.0 {
            // A fair share of what is left: one dead address must not use up the time of all.
            let share = deadline.saturating_duration_since(Instant::now())
                / u32::try_from(left).unwrap_or(1);
            match timeout(share, connect(address)).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(failed)) => error = DialError::Failed(address, failed),
                Err(_) => error = DialError::Silent(address),
            }
            left -= 1;
        }
        Err(error)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let options = SockRef::from(&socket);
    options.set_send_buffer_size(SEND_BUFFER)?;
    options.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        options.set_tcp_notsent_lowat(UNSENT_MAX)?;
        options.set_tcp_user_timeout(Some(UNCONFIRMED_MAX))?;
    }
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rule_25_credentials_of_clouds_and_disguised_addresses_are_never_called() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "64:ff9b::168.63.129.16",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "100::1",
            "2001:db8::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            for policy in [DialPolicy::Public, DialPolicy::Local] {
                assert!(!policy.allows(ip(text)), "{text} by {policy:?}");
            }
        }
    }

    #[test]
    fn rule_25_this_machine_and_private_networks_are_called_only_locally() {
        for text in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(DialPolicy::Local.allows(ip(text)), "{text}");
            assert!(!DialPolicy::Public.allows(ip(text)), "{text}");
        }
        for text in [
            "8.8.8.8",
            "172.32.0.1",
            "168.63.129.17",
            "198.20.0.1",
            "100::1:0:0:0:1",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(DialPolicy::Public.allows(ip(text)), "{text}");
        }
    }
}
