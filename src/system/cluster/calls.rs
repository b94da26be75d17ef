//! Answers callers, all at the same time: a caller that says nothing keeps no other caller waiting.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, Scope};
use std::time::Duration;

use anyhow::Context as _;
use dataflow::cluster::Link;

use super::Links;
use super::handshake::{self, End, LinkRefusal};
use super::patience::{AGAIN, PeerWait, Repeated};

/// Limit of calls answered at the same time. With one more, the oldest is dropped: a valid peer has finished long
/// before.
const CALLS_MAX: usize = 64;

/// A finished call.
struct Ended {
    number: u64,
    answer: Result<(Link, usize), LinkRefusal>,
}

/// Answers calls until all processes with higher numbers are linked.
///
/// # Errors
/// When one of them cannot work together with this process, or no call can be accepted any more.
pub(super) fn answer(listener: &TcpListener, own: &End<'_>, links: &mut Links) -> anyhow::Result<()> {
    std::thread::scope(|threads| {
        let mut calls = Calls::default();
        let answered = answer_in(threads, listener, own, links, &mut calls);
        // The scope waits for their threads.
        calls.under_way.iter().for_each(|(_, link)| hang_up(link));
        answered
    })
}

fn answer_in<'scope>(
    threads: &'scope Scope<'scope, '_>,
    listener: &TcpListener,
    own: &'scope End<'_>,
    links: &mut Links,
    calls: &mut Calls,
) -> anyhow::Result<()> {
    let (ended, endings) = channel();
    let (mut patience, mut refused) = (PeerWait::new(), Repeated::default());
    // Of two calls of the same process the later one counts: the process had abandoned the first.
    let mut linked_by = vec![0; links.len()];
    while let Some(missing) = (own.process + 1..links.len()).find(|other| links[*other].is_none()) {
        let pause = match listener.accept() {
            Ok((link, _)) => {
                calls.begin(threads, link, own, &ended)?;
                Duration::ZERO
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => AGAIN,
            // The caller disconnected before it was answered.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error).context("cannot accept calls of peers"),
        };
        patience.say(missing);
        let Ok(Ended { number, answer }) = endings.recv_timeout(pause) else { continue };
        match answer {
            Ok(_) if !calls.end(number) => {}
            Ok((link, other)) => {
                if number > linked_by[other] {
                    (linked_by[other], links[other]) = (number, Some(link));
                }
            }
            Err(refusal) => {
                calls.end(number);
                match refusal {
                    LinkRefusal::Unlike(unlike) => return Err(unlike.into()),
                    LinkRefusal::Stranger(error) => refused.warn(&error),
                }
            }
        }
    }
    Ok(())
}

/// The calls that are being answered, the oldest first.
#[derive(Default)]
struct Calls {
    begun: u64,
    under_way: VecDeque<(u64, TcpStream)>,
}

impl Calls {
    fn begin<'scope>(
        &mut self,
        threads: &'scope Scope<'scope, '_>,
        link: TcpStream,
        own: &'scope End<'_>,
        ended: &Sender<Ended>,
    ) -> std::io::Result<()> {
        if self.under_way.len() == CALLS_MAX
            && let Some((_, oldest)) = self.under_way.pop_front()
        {
            hang_up(&oldest);
        }
        self.begun += 1;
        let (number, ended) = (self.begun, ended.clone());
        self.under_way.push_back((number, link.try_clone()?));
        Builder::new().name("peer-call".into()).spawn_scoped(threads, move || {
            let answer = handshake::answer(link, own);
            // The receiver is gone once all processes are linked.
            let _ = ended.send(Ended { number, answer });
        })?;
        Ok(())
    }

    /// Whether the call had not been dropped before.
    fn end(&mut self, number: u64) -> bool {
        let at = self.under_way.iter().position(|(begun, _)| *begun == number);
        at.and_then(|at| self.under_way.remove(at)).is_some()
    }
}

fn hang_up(link: &TcpStream) {
    // The caller may have disconnected already.
    let _ = link.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::alike::Facts;
    use super::*;

    #[test]
    fn whoever_says_nothing_keeps_nobody_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let facts = Facts::of_two();
            let own = End { process: 0, key: &[1; 16], facts: &facts, start: None, dir: None };
            let mut links: Links = vec![None, None];
            answer(&listener, &own, &mut links).map(|()| links[1].is_some())
        });
        let begun = Instant::now();
        let silent: Vec<_> = (0..CALLS_MAX + 9).map(|_| TcpStream::connect(address).unwrap()).collect();
        let facts = Facts::of_two();
        let own = End { process: 1, key: &[1; 16], facts: &facts, start: None, dir: None };
        let link = TcpStream::connect(address).unwrap();
        assert_eq!(handshake::call(link, &own, 0).unwrap().1, None);
        assert!(answering.join().unwrap().unwrap(), "process 1 is linked");
        assert!(begun.elapsed() < handshake::PATIENCE, "nobody was waited for: {:?}", begun.elapsed());
        drop(silent);
    }
}
