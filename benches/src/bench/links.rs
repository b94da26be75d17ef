//! The link between two processes of a cluster, over TCP as it is and encrypted, in turns: the time of a small message there
//! and back, and the rate of large ones.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use dataflow::cluster::LinkStream;
use vitrine::encrypted_link;

use crate::context::Context;
use crate::figures::Figures;
use crate::numbers::{median, percentile};

/// A message of one control record.
const SMALL: usize = 64;

/// What the engine writes at once.
const LARGE: usize = 64 << 10;

/// Both ends of a link.
type Ends = [Box<dyn LinkStream>; 2];

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (rounds, trips) = (context.repeats(3, 7), if context.quick { 5_000 } else { 20_000 });
    let slice = Duration::from_millis(if context.quick { 300 } else { 1000 });
    let names = ["link", "link_encrypted"];
    let (mut p50_us, mut p99_us, mut mib_per_s) =
        ([const { Vec::new() }; 2], [const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for _ in 0..rounds {
        for kind in [0, 1] {
            let latencies = round_trips(ends(kind == 1)?, trips)?;
            p50_us[kind].push(median(&latencies));
            p99_us[kind].push(percentile(&latencies, 99.0));
            mib_per_s[kind].push(rate(ends(kind == 1)?, slice)?);
        }
    }
    for (kind, name) in names.iter().enumerate() {
        figures.spread(&format!("{name}_round_trip_us"), &p50_us[kind]);
        figures.put(&format!("{name}_round_trip_p99_us"), median(&p99_us[kind]));
        figures.spread(&format!("{name}_mib_per_s"), &mib_per_s[kind]);
    }
    Ok(())
}

fn ends(is_encrypted: bool) -> anyhow::Result<Ends> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    if !is_encrypted {
        return Ok([Box::new(near), Box::new(far)]);
    }
    let answering = thread::spawn(move || encrypted_link::answer(far));
    let near = encrypted_link::call(near)?.stream;
    let far = answering.join().expect("the other end does not panic")?.stream;
    Ok([Box::new(near), Box::new(far)])
}

/// The times of small messages there and back, in microseconds.
fn round_trips([mut near, mut far]: Ends, trips: usize) -> anyhow::Result<Vec<f64>> {
    let echo = thread::spawn(move || -> std::io::Result<()> {
        let mut message = [0; SMALL];
        for _ in 0..trips {
            far.read_exact(&mut message)?;
            far.write_all(&message)?;
        }
        Ok(())
    });
    let mut message = [7; SMALL];
    let mut latencies = Vec::with_capacity(trips);
    for _ in 0..trips {
        let sent = Instant::now();
        near.write_all(&message)?;
        near.read_exact(&mut message)?;
        latencies.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    echo.join().expect("the other end does not panic")?;
    Ok(latencies)
}

/// The rate of large messages in one direction, in MiB per second.
fn rate([mut near, mut far]: Ends, duration: Duration) -> anyhow::Result<f64> {
    let reading = thread::spawn(move || -> std::io::Result<u64> {
        let (mut buffer, mut bytes) = (vec![0; LARGE], 0);
        loop {
            match far.read(&mut buffer)? {
                0 => return Ok(bytes),
                read => bytes += read as u64,
            }
        }
    });
    let (message, start) = (vec![7; LARGE], Instant::now());
    while start.elapsed() < duration {
        near.write_all(&message)?;
    }
    near.shutdown(Shutdown::Write)?;
    let bytes = reading.join().expect("the other end does not panic")?;
    Ok(bytes as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64())
}
