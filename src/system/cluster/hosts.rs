//! The hosts file: a line for each process in order, `PEER_ADDRESS HTTP_ADDRESS`, each `HOST:PORT`; `#` begins a
//! comment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use anyhow::{Context as _, bail, ensure};

use crate::config;

/// A limit for the file: lines are few and short.
const BYTES_MAX: usize = 64 << 10;

/// The addresses of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The address for rows.
    pub(crate) peer: String,
    /// The address for look-ups of the users it holds.
    pub(crate) http: String,
}

/// Which addresses peers may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Loopback,
    Private,
    Anywhere,
}

impl Reach {
    /// Without a key links are not encrypted. With one, strangers can still reach a public address, so it must be allowed
    /// explicitly.
    pub(crate) fn of(cluster: &config::Cluster) -> Reach {
        match (cluster.public, cluster.has_key()) {
            (true, true) => Reach::Anywhere,
            (false, true) => Reach::Private,
            (_, false) => Reach::Loopback,
        }
    }
}

/// Reads the hosts file, which must name exactly the configured number of processes.
pub(crate) fn of(cluster: &config::Cluster) -> anyhow::Result<Vec<Host>> {
    read(cluster).context(Unusable)
}

fn read(cluster: &config::Cluster) -> anyhow::Result<Vec<Host>> {
    let (path, processes) = (cluster.hosts.as_ref().context("`cluster.hosts` names no file")?, cluster.processes);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(text.len() <= BYTES_MAX, "{} is too long for a list of addresses", path.display());
    let hosts = parse(&text).with_context(|| path.display().to_string())?;
    ensure!(
        hosts.len() == processes,
        "{} names {} processes, but `cluster.processes` is {processes}",
        path.display(),
        hosts.len()
    );
    Ok(hosts)
}

fn parse(text: &str) -> anyhow::Result<Vec<Host>> {
    let mut hosts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [] => {}
            [peer, http] if is_address(peer) && is_address(http) => {
                hosts.push(Host { peer: peer.to_owned(), http: http.to_owned() });
            }
            _ => bail!("line {}: must be PEER_ADDRESS HTTP_ADDRESS, each HOST:PORT", number + 1),
        }
    }
    Ok(hosts)
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// The address to which a name resolves now.
///
/// # Errors
/// When the name does not resolve, or peers must not have this address.
pub(crate) fn resolve(address: &str, reach: Reach) -> anyhow::Result<SocketAddr> {
    let found = address.to_socket_addrs().with_context(|| format!("{address} cannot be resolved"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    // If a name has several addresses, both ends of a link must choose the same one.
    found.sort_unstable();
    let found = *found.first().with_context(|| format!("{address} resolves to no address"))?;
    Ok(found)
        .and_then(|found| if is_within(found.ip(), reach) { Ok(found) } else { Err(refusal(reach)) })
        .with_context(|| format!("{address} cannot be a peer's"))
}

/// Whether a look-up has failed in a way that may succeed later, and not because of the address found.
pub(crate) fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RefusedAddress>().is_some()
}

/// Whether the start would fail again at every attempt: the hosts file or an address in it is wrong.
pub(crate) fn is_misconfigured(error: &anyhow::Error) -> bool {
    error.is::<Unusable>() || is_refused(error)
}

/// The error of the hosts file, or that it is missing.
#[derive(Debug, thiserror::Error)]
#[error("the hosts file cannot be used")]
struct Unusable;

/// Peers must not have this address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RefusedAddress(&'static str);

fn refusal(reach: Reach) -> anyhow::Error {
    RefusedAddress(match reach {
        Reach::Loopback => "without `cluster.key` only addresses of this machine (127.0.0.1, ::1) are taken",
        Reach::Private | Reach::Anywhere => "it is public, where strangers can reach it: see `cluster.reach`",
    })
    .into()
}

fn is_within(address: IpAddr, reach: Reach) -> bool {
    let address = address.to_canonical();
    match (reach, address) {
        (Reach::Anywhere, _) => true,
        (_, address) if address.is_loopback() => true,
        (Reach::Loopback, _) => false,
        (Reach::Private, IpAddr::V4(address)) => address.is_private() || address.is_link_local() || is_shared(address),
        (Reach::Private, IpAddr::V6(address)) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Whether the address is in 100.64.0.0/10 (RFC 6598), which container networks use.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_all_else_is_told_by_its_number() {
        let hosts = parse("# two\n127.0.0.1:1 127.0.0.1:2 # first\n\n  a.b:3\tc:4\n").unwrap();
        assert_eq!(hosts[1], Host { peer: "a.b:3".into(), http: "c:4".into() });
        assert_eq!(hosts.len(), 2);
        for wrong in ["127.0.0.1:1", "a:1 b:2 c:3", "a b", "a:0 b:1", ":1 b:2"] {
            assert!(parse(wrong).unwrap_err().to_string().starts_with("line 1"), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_the_open_network_are_refused() {
        let within = |text: &str, reach| is_within(text.parse().unwrap(), reach);
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(within(local, Reach::Loopback), "{local}");
        }
        for private in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "fd00::1", "fe80::1"] {
            assert!(within(private, Reach::Private) && !within(private, Reach::Loopback), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860::8888", "0.0.0.0", "::"] {
            assert!(!within(public, Reach::Private) && within(public, Reach::Anywhere), "{public}");
        }
        let refused = resolve("8.8.8.8:1", Reach::Private).unwrap_err();
        assert!(is_refused(&refused), "{refused:#}");
        assert!(resolve("127.0.0.1:1", Reach::Loopback).is_ok());
    }
}
