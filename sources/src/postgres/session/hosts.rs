//! The hosts of a connection string in their order, and the addresses of their names.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use dataflow::backoff::random;
use postgres::Config;
use postgres::config::{Host, LoadBalanceHosts};

use crate::side_thread::StopSignal;

const PORT_DEFAULT: u16 = 5432;

/// How often a wait for a name's addresses checks its limits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One host of a connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAddress {
    pub(crate) host: Host,
    /// The address in the connection string, or the address at which the host was reached.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Tcp(name) => write!(f, "{name}:{}", self.port),
            #[cfg(unix)]
            Host::Unix(path) => write!(f, "{}:{}", path.display(), self.port),
        }
    }
}

/// The named hosts in their order; an error in words if the numbers of hosts, addresses and ports do not match.
pub(crate) fn named(config: &Config) -> Result<Vec<HostAddress>, String> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(format!("it has {} hosts and {} addresses", hosts.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("it has {count} hosts and {} ports", ports.len()));
    }
    let place = |at: usize| {
        let address = addresses.get(at).copied();
        let by_address = || Host::Tcp(address.map_or("localhost".to_owned(), |address| address.to_string()));
        let host = hosts.get(at).cloned().unwrap_or_else(by_address);
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT_DEFAULT);
        HostAddress { host, address, port }
    };
    Ok((0..count).map(place).collect())
}

/// The order in which they are tried this time.
pub(crate) fn in_turn(places: &[HostAddress], balance: LoadBalanceHosts) -> Vec<HostAddress> {
    let mut places = places.to_vec();
    if balance == LoadBalanceHosts::Random {
        places.sort_by_cached_key(|_| random());
    }
    places
}

impl HostAddress {
    /// All addresses of this host, which a name server may take long to return; the host itself if it is an address.
    pub(crate) fn addresses(&self, until: Instant, stop: &StopSignal) -> io::Result<Vec<HostAddress>> {
        let name = match (&self.host, self.address) {
            (Host::Tcp(name), None) => name.clone(),
            _ => return Ok(vec![self.clone()]),
        };
        let at = |address| HostAddress { address: Some(address), ..self.clone() };
        if let Ok(address) = name.parse() {
            return Ok(vec![at(address)]);
        }
        let (found, addresses) = channel();
        let port = self.port;
        // The system's call has no time-out; a late call ends by itself.
        thread::Builder::new().name("resolve".into()).spawn(move || {
            let looked_up = (name.as_str(), port).to_socket_addrs();
            let _ = found.send(looked_up.map(|addresses| addresses.map(|at| at.ip()).collect::<Vec<_>>()));
        })?;
        loop {
            match addresses.recv_timeout(LOOK_EVERY) {
                Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(addresses.into_iter().map(at).collect()),
                Ok(Ok(_)) => return Err(io::Error::other("the name has no address")),
                Ok(Err(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until && !stop.is_given() => {}
                Err(_) => return Err(io::Error::other("its name was not looked up in time")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Vec<String>, String> {
        named(&url.parse().unwrap()).map(|places| places.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_are_tried_in_their_order_each_with_its_port() {
        assert_eq!(of("host=a,b port=1,2").unwrap(), ["a:1", "b:2"]);
        assert_eq!(of("postgresql://u@a:1,b:2/shop").unwrap(), ["a:1", "b:2"]);
        assert_eq!(of("host=a,b port=7").unwrap(), ["a:7", "b:7"]);
        assert_eq!(of("hostaddr=10.0.0.1,::1 user=u").unwrap(), ["10.0.0.1:5432", "[::1]:5432"]);
        assert_eq!(of("user=u").unwrap(), ["localhost:5432"]);
        assert_eq!(of("host=/run/pg port=7").unwrap(), ["/run/pg:7"]);
        assert!(of("host=a,b,c port=1,2").unwrap_err().contains("3 hosts and 2 ports"));
        assert!(of("host=a,b hostaddr=::1").unwrap_err().contains("2 hosts and 1 addresses"));
    }

    #[test]
    fn an_address_needs_no_name_server_and_a_name_gives_all_of_its_own() {
        let soon = Instant::now() + Duration::from_secs(30);
        let addresses = |url: &str| named(&url.parse().unwrap()).unwrap()[0].addresses(soon, &StopSignal::default());
        let found = addresses("host=127.0.0.1 port=7").unwrap();
        assert_eq!((found.len(), found[0].address), (1, Some("127.0.0.1".parse().unwrap())));
        let found = addresses("host=localhost port=7").unwrap();
        assert!(found.iter().all(|place| place.address.is_some_and(|address| address.is_loopback())));
        assert!(addresses("host=no-such-host.invalid port=7").is_err());
    }
}
