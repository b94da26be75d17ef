//! Several engines in this process, linked over loopback as the processes of a cluster are.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use dataflow::cluster::{Cluster, Link};
use dataflow::engine::{Engine, Settings};

const PATIENCE: Duration = Duration::from_secs(300);

/// The clusters of so many processes, each linked with each.
fn link(processes: usize) -> Vec<Cluster> {
    let links = || (0..processes).map(|_| None).collect();
    let mut clusters: Vec<Cluster> = (0..processes).map(|process| Cluster { process, links: links() }).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    for one in 0..processes {
        for other in 0..one {
            let link = TcpStream::connect(address).expect("it listens");
            let (end, _) = listener.accept().expect("somebody connects");
            for end in [&link, &end] {
                end.set_nodelay(true).expect("it is a TCP connection");
            }
            clusters[one].links[other] = Some(Link::over(link));
            clusters[other].links[one] = Some(Link::over(end));
        }
    }
    clusters
}

/// Starts the engines of all processes.
fn start(processes: usize, mut settings: impl FnMut(usize) -> Settings) -> Vec<Engine> {
    let start = |cluster: Cluster| Engine::start_in(settings(cluster.process), Some(cluster));
    link(processes).into_iter().map(start).collect::<Result<_, _>>().expect("threads can be started")
}

/// The same, or a single engine that is linked with nothing.
pub(crate) fn start_or_alone(processes: usize, mut settings: impl FnMut(usize) -> Settings) -> Vec<Engine> {
    match processes {
        1 => vec![Engine::start(settings(0)).expect("threads can be started")],
        _ => start(processes, settings),
    }
}

/// Ends them as their processes would: the first one tells the others.
pub(crate) fn stop(engines: Vec<Engine>) {
    std::thread::scope(|scope| {
        let mut engines = engines.into_iter();
        let first = engines.next().map(|engine| scope.spawn(|| engine.stop()));
        for engine in engines {
            assert!(engine.wait_for_the_end(PATIENCE), "the first process tells the others");
            engine.stop().expect("no worker panicked");
        }
        if let Some(first) = first {
            first.join().expect("it ends").expect("no worker panicked");
        }
    });
}
