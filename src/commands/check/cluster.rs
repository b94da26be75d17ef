//! The cluster: the hosts file, the address this process listens on for its peers, and where the peers are.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

use super::CheckReport;
use crate::config::Cluster;
use crate::system::cluster::hosts::{self, Host, Reach};

pub(super) fn check(
    cluster: &Cluster,
    listen: SocketAddr,
    has_tls: bool,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    if !cluster.is_shared() {
        return match &cluster.hosts {
            Some(_) => {
                report.note("cluster: `cluster.processes` is 1, so this process is alone and reads no hosts file")
            }
            None => Ok(()),
        };
    }
    let hosts = match hosts::of(cluster) {
        Ok(hosts) => hosts,
        Err(error) => return report.bad(&format!("cluster: {error:#}"), &ways(cluster)),
    };
    report.good(&format!("cluster: the hosts file names {} processes", hosts.len()))?;
    links(cluster, has_tls, report)?;
    let reach = Reach::of(cluster);
    for (number, host) in hosts.iter().enumerate() {
        if number == cluster.process {
            own(host, reach, listen, report)?;
        } else {
            peer(number, host, reach, report)?;
        }
    }
    Ok(())
}

/// What crosses the network between the processes in the open.
fn links(cluster: &Cluster, has_tls: bool, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    if !cluster.has_key() {
        return report
            .note("cluster: there is no `cluster.key`: links are not encrypted, and stay within this machine");
    }
    report.good("cluster: links between processes are encrypted; `cluster.key` tells who may join")?;
    if has_tls {
        return report.good("cluster: requests that processes pass on to each other are encrypted");
    }
    report.note(
        "cluster: requests that processes pass on to each other are not encrypted (`server.tls_cert`, `server.tls_key`)",
    )
}

fn ways(cluster: &Cluster) -> [String; 2] {
    let file = cluster.hosts.as_ref().map_or("the file".into(), |path| path.display().to_string());
    [
        format!(
            "{file} needs {} lines, one for each process in order: PEER_ADDRESS HTTP_ADDRESS, such as 10.0.0.1:2101 \
             10.0.0.1:8080",
            cluster.processes
        ),
        "or set `cluster.hosts` (--hosts) to the file that has them, and `cluster.processes` to how many there are"
            .into(),
    ]
}

/// Whether this process can listen on the address that its peers connect to.
fn own(host: &Host, reach: Reach, listen: SocketAddr, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let Host { peer, http } = host;
    let address = match hosts::resolve(peer, reach) {
        Ok(address) => address,
        Err(error) => return report.bad(&format!("cluster: this process's own line: {error:#}"), &[mend(&error)]),
    };
    match TcpListener::bind(address) {
        Ok(_) => report.good(&format!("cluster: {address} is free for the peers of this process"))?,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => report.note(&format!(
            "cluster: something listens on {address}: fine if this process is running, otherwise give it another port"
        ))?,
        Err(error) => {
            let way = "line and process must belong together: `cluster.process` (--process) counts the lines from 0, and \
                       the address must be one of this machine's";
            report.bad(&format!("cluster: cannot listen on {address} for peers: {error}"), &[way.into()])?;
        }
    }
    match http.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) if port != listen.port() => report.note(&format!(
            "cluster: peers expect this process's server at {http}, but it listens on {listen} (`server.listen`)"
        )),
        _ => Ok(()),
    }
}

/// Whether a peer's address can be used. Its host name may resolve only when the peer runs.
fn peer(number: usize, host: &Host, reach: Reach, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match hosts::resolve(&host.peer, reach) {
        Ok(_) => Ok(()),
        Err(error) if hosts::is_refused(&error) => {
            report.bad(&format!("cluster: process {number}: {error:#}"), &[mend(&error)])
        }
        Err(error) => report.note(&format!("cluster: process {number}: {error:#}; Vitrine waits for it")),
    }
}

fn mend(error: &anyhow::Error) -> String {
    let way = match hosts::is_refused(error) {
        true => "give all processes one `cluster.key` (openssl rand -hex 16), and let them meet on a private network",
        false => "the name must be known to this machine, or write the address itself into the hosts file",
    };
    way.into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

    /// Two processes; this process is the first.
    fn two(hosts: &Path) -> Cluster {
        Cluster {
            processes: 2,
            process: 0,
            hosts: Some(hosts.to_owned()),
            key: [0; 16],
            public: false,
            stall: std::time::Duration::from_secs(1),
        }
    }

    fn hosts(lines: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), lines).expect("it can be written");
        file
    }

    /// The report's text, and whether all checks passed.
    fn of(cluster: &Cluster) -> (String, bool) {
        let mut out = Vec::new();
        let mut report = CheckReport::new(&mut out);
        check(cluster, LISTEN, false, &mut report).expect("memory can be written");
        let good = report.all_good();
        (String::from_utf8(out).expect("UTF-8"), good)
    }

    #[test]
    fn a_hosts_file_that_can_be_used_is_good() {
        let file = hosts(&format!("127.0.0.1:{} 127.0.0.1:8080\n127.0.0.1:1 127.0.0.1:2\n", harness::free_port()));
        let (output, good) = of(&two(file.path()));
        assert!(good && output.contains("names 2 processes") && output.contains("is free"), "{output}");
        assert!(output.contains("• cluster: there is no `cluster.key`"), "{output}");
        let (output, good) = of(&Cluster { key: [1; 16], ..two(file.path()) });
        assert!(good && output.contains("✔ cluster: links between processes are encrypted"), "{output}");
        assert!(output.contains("• cluster: requests that processes pass on to each other are not"), "{output}");
        let (output, good) = of(&Cluster { processes: 1, ..two(file.path()) });
        assert!(good && output.contains("alone"), "{output}");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_with_a_way_out() {
        let (short, shapeless) = (hosts("127.0.0.1:1 127.0.0.1:2\n"), hosts("127.0.0.1\n"));
        for path in [Path::new("/nowhere/hosts"), short.path(), shapeless.path()] {
            let (output, good) = of(&two(path));
            assert!(!good && output.contains("✖ cluster") && output.contains("needs 2 lines"), "{output}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_are_told() {
        // Addresses of a network for documentation, which no machine has.
        let file = hosts("192.0.2.1:2101 192.0.2.1:8080\n127.0.0.1:1 127.0.0.1:2\n");
        let (output, good) = of(&two(file.path()));
        assert!(!good && output.contains("own line") && output.contains("cluster.key"), "{output}");
        let (output, good) = of(&Cluster { process: 1, ..two(file.path()) });
        assert!(!good && output.contains("process 0") && output.contains("cluster.key"), "{output}");
        let (output, good) = of(&Cluster { key: [1; 16], public: true, ..two(file.path()) });
        assert!(!good && output.contains("cannot listen on 192.0.2.1:2101"), "{output}");
    }

    #[test]
    fn a_taken_port_and_another_server_address_are_worth_knowing() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = taken.local_addr().expect("it is bound");
        let file = hosts(&format!("{address} 127.0.0.1:8081\n127.0.0.1:1 127.0.0.1:2\n"));
        let (output, good) = of(&two(file.path()));
        assert!(good && output.contains("something listens") && output.contains("`server.listen`"), "{output}");
    }
}
