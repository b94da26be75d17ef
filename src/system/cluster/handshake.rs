//! What is said on a link before rows cross it: both ends prove that they have the key, then compare how they are set up.
//!
//! ```text
//! caller ─▶ hello (who, a number never used before)           ─▶ called
//! caller ◀─ hello, facts and their seal                       ◀─ called
//! caller ─▶ facts and their seal                              ─▶ called
//! caller ◀─ verdict                                           ◀─ called
//! ```
//! A seal is an HMAC-SHA256 under the key over both hellos, the end that speaks and the facts: it cannot be used again on
//! another link, nor sent back. What follows on the link is neither sealed nor encrypted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Start;

/// Changes with anything that is said here, or that workers say to each other.
const PROTOCOL: &str = "vitrine cluster 1";

/// Far more than any of the messages takes.
const MESSAGE_MAX: usize = 64 << 10;

/// How long one end waits for the other's next word.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a process is set up, as far as all must be alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) processes: usize,
    pub(super) workers: usize,
    pub(super) id_key: String,
    pub(super) rules: String,
    pub(super) views: Option<String>,
    pub(super) checkpoints: bool,
    pub(super) changes: bool,
}

/// This end of a link.
pub(super) struct End<'a> {
    pub(super) process: usize,
    pub(super) key: &'a [u8; 16],
    pub(super) facts: &'a Facts,
    /// Known to process 0, and to those it has told.
    pub(super) start: Option<Start>,
}

/// Why a link was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Whoever is at the other end is none of ours, or went away: another may call.
    Stranger(anyhow::Error),
    /// It is one of ours, and set up otherwise: nothing can come of this start.
    Unlike(String),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Refusal::Stranger(error)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::Stranger(error.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Hello {
    protocol: String,
    process: usize,
    once: [u64; 4],
}

#[derive(Serialize, Deserialize)]
struct Said {
    facts: Facts,
    start: Option<Start>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    said: String,
    seal: [u64; 4],
}

#[derive(Serialize, Deserialize)]
struct Verdict {
    refused: Option<String>,
}

/// Calls process `other`; returns what it knows of this start.
pub(super) fn call(link: &mut TcpStream, own: &End<'_>, other: usize) -> Result<Option<Start>, Refusal> {
    prepare(link)?;
    let ours = hello(own)?;
    send(link, &ours)?;
    let theirs: Hello = receive(link)?;
    ensure_hello(&theirs, |process| process == other)?;
    let said = open(own, &ours, &theirs, "called", receive(link)?)?;
    compare(own, &said)?;
    let start = own.start.or(said.start);
    send(link, &seal(own, &ours, &theirs, "caller", start)?)?;
    let verdict: Verdict = receive(link)?;
    match verdict.refused {
        Some(reason) => Err(Refusal::Unlike(reason)),
        None => Ok(start),
    }
}

/// Answers a call of a process after this one; returns which it is.
pub(super) fn answer(link: &mut TcpStream, own: &End<'_>) -> Result<usize, Refusal> {
    prepare(link)?;
    let theirs: Hello = receive(link)?;
    ensure_hello(&theirs, |process| (own.process + 1..own.facts.processes).contains(&process))?;
    let ours = hello(own)?;
    send(link, &ours)?;
    send(link, &seal(own, &theirs, &ours, "called", own.start)?)?;
    let said = open(own, &theirs, &ours, "caller", receive(link)?)?;
    let refusal = compare(own, &said);
    let refused = match &refusal {
        Err(Refusal::Unlike(reason)) => Some(reason.clone()),
        _ => None,
    };
    send(link, &Verdict { refused })?;
    refusal.map(|()| theirs.process)
}

fn prepare(link: &TcpStream) -> std::io::Result<()> {
    link.set_nonblocking(false)?;
    link.set_nodelay(true)?;
    link.set_read_timeout(Some(PATIENCE))?;
    link.set_write_timeout(Some(PATIENCE))
}

fn hello(own: &End<'_>) -> anyhow::Result<Hello> {
    let mut once = [0; 4];
    for number in &mut once {
        *number = getrandom::u64().map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    }
    Ok(Hello { protocol: PROTOCOL.to_owned(), process: own.process, once })
}

fn ensure_hello(hello: &Hello, is_expected: impl Fn(usize) -> bool) -> anyhow::Result<()> {
    ensure!(hello.protocol == PROTOCOL, "it speaks another protocol");
    ensure!(is_expected(hello.process), "process {} is not expected here", hello.process);
    Ok(())
}

fn mac(own: &End<'_>, caller: &Hello, called: &Hello, end: &str, said: &str) -> anyhow::Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(own.key).context("the key is of a wrong length")?;
    // JSON lines: no two different lists of these have the same bytes.
    for part in [serde_json::to_vec(caller)?, serde_json::to_vec(called)?, end.into(), said.into()] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(&part);
    }
    Ok(mac)
}

fn seal(own: &End<'_>, caller: &Hello, called: &Hello, end: &str, start: Option<Start>) -> anyhow::Result<Sealed> {
    let said = serde_json::to_string(&Said { facts: own.facts.clone(), start })?;
    let bytes = mac(own, caller, called, end, &said)?.finalize().into_bytes();
    let mut seal = [0; 4];
    for (word, bytes) in seal.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_be_bytes(bytes.try_into().context("eight bytes are a word")?);
    }
    Ok(Sealed { said, seal })
}

fn open(own: &End<'_>, caller: &Hello, called: &Hello, end: &str, sealed: Sealed) -> anyhow::Result<Said> {
    let mac = mac(own, caller, called, end, &sealed.said)?;
    let seal: Vec<u8> = sealed.seal.iter().flat_map(|word| word.to_be_bytes()).collect();
    if mac.verify_slice(&seal).is_err() {
        bail!("it does not have the key (`cluster.key`)");
    }
    Ok(serde_json::from_str(&sealed.said)?)
}

/// Whether the other end is set up alike, and of the same start.
fn compare(own: &End<'_>, said: &Said) -> Result<(), Refusal> {
    let (ours, theirs) = (own.facts, &said.facts);
    let unlike = [
        (ours.version != theirs.version, "versions"),
        (ours.processes != theirs.processes, "numbers of processes"),
        (ours.workers != theirs.workers, "numbers of workers"),
        (ours.id_key != theirs.id_key, "values of `dataflow.id_key`"),
        (ours.rules != theirs.rules, "values in [rules]"),
        (ours.views != theirs.views, "topics"),
        (ours.checkpoints != theirs.checkpoints, "settings of whether checkpoints are kept"),
        (ours.changes != theirs.changes, "settings of whether changes are written"),
    ];
    if let Some((_, what)) = unlike.iter().find(|(is_unlike, _)| *is_unlike) {
        return Err(Refusal::Unlike(format!("two processes of the cluster have different {what}")));
    }
    match (own.start, said.start) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            Err(Refusal::Unlike("two processes of the cluster are of different starts".into()))
        }
        _ => Ok(()),
    }
}

fn send(link: &mut TcpStream, message: &impl Serialize) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    link.write_all(&[&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()).context("it went away")
}

fn receive<T: DeserializeOwned>(link: &mut TcpStream) -> anyhow::Result<T> {
    let mut length = [0; 4];
    link.read_exact(&mut length).context("it said nothing more")?;
    let length = u32::from_be_bytes(length) as usize;
    ensure!(length <= MESSAGE_MAX, "it is no process of a cluster");
    let mut bytes = vec![0; length];
    link.read_exact(&mut bytes).context("it said nothing more")?;
    serde_json::from_slice(&bytes).context("it is no process of a cluster")
}

/// Makes a link ready for rows.
pub(super) fn hand_over(link: &TcpStream) -> std::io::Result<()> {
    link.set_read_timeout(None)?;
    link.set_write_timeout(None)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn facts() -> Facts {
        Facts {
            version: "1".into(),
            processes: 2,
            workers: 1,
            id_key: "k".into(),
            rules: "r".into(),
            views: None,
            checkpoints: true,
            changes: false,
        }
    }

    fn start(generation: u64) -> Start {
        Start { checkpoint: Some(7), floor: Some(checkpoints::Reached { tick: 5, caught_up: true }), generation }
    }

    type Met = (Result<Option<Start>, Refusal>, Result<usize, Refusal>);

    /// Process 1 calls process 0.
    fn meet(caller: ([u8; 16], Facts, Option<Start>), called: ([u8; 16], Facts, Option<Start>)) -> Met {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        let answering = std::thread::spawn(move || {
            answer(&mut other, &End { process: 0, key: &called.0, facts: &called.1, start: called.2 })
        });
        let call = call(&mut link, &End { process: 1, key: &caller.0, facts: &caller.1, start: caller.2 }, 0);
        drop(link);
        (call, answering.join().unwrap())
    }

    #[test]
    fn those_who_are_alike_link_up_and_learn_of_the_start() {
        let (call, answer) = meet(([1; 16], facts(), None), ([1; 16], facts(), Some(start(9))));
        assert_eq!((call.unwrap(), answer.unwrap()), (Some(start(9)), 1));
    }

    #[test]
    fn a_stranger_without_the_key_learns_and_says_nothing() {
        let (call, answer) = meet(([2; 16], facts(), None), ([1; 16], facts(), Some(start(9))));
        assert!(matches!(call, Err(Refusal::Stranger(why)) if why.to_string().contains("key")));
        assert!(matches!(answer, Err(Refusal::Stranger(_))));
    }

    #[test]
    fn a_process_set_up_otherwise_or_of_another_start_is_refused_by_name() {
        let more = Facts { workers: 2, ..facts() };
        let (call, _) = meet(([1; 16], more, None), ([1; 16], facts(), Some(start(9))));
        assert!(matches!(call, Err(Refusal::Unlike(why)) if why.contains("workers")));
        let (call, _) = meet(([1; 16], facts(), Some(start(8))), ([1; 16], facts(), Some(start(9))));
        assert!(matches!(call, Err(Refusal::Unlike(why)) if why.contains("starts")));
    }
}
