//! The handshake on a link before rows cross it: both ends prove that they have the key, then compare their settings.
//!
//! ```text
//! caller ─▶ hello (who, a number never used before)           ─▶ called
//! caller ◀─ hello                                             ◀─ called
//!        with a key: TLS from here on
//! caller ◀─ sealed: facts                                     ◀─ called
//! caller ─▶ sealed: facts, its objection                      ─▶ called
//! caller ◀─ sealed: the objection of either                   ◀─ called
//! ```
//! A seal is an HMAC-SHA256 under the key over both hellos, the speaker, the TLS session and the content: it cannot be
//! replayed on another link, nor sent back, and a man in the middle has a different session with each of the two
//! ends. Before a process ends because of an objection, the other process has received it, so both know the reason.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use dataflow::cluster::Link;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::alike::{Facts, Unlike};
use super::{Start, token};
use crate::encrypted_link::{self, Encrypted};

/// Changes with every change of these messages, or of the messages between workers.
const PROTOCOL: &str = "vitrine cluster 4";

/// Far more than any message takes.
const MESSAGE_MAX: usize = 64 << 10;

/// How long one end waits for the other's next message. In tests it is longer, because both ends run beside many other
/// tests, and no handshake is tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 5 });

/// This end of a link.
pub(super) struct End<'a> {
    pub(super) process: usize,
    pub(super) key: &'a [u8; 16],
    pub(super) facts: &'a Facts,
    /// Known to process 0, and to the processes that it has told.
    pub(super) start: Option<Start>,
    /// The directory of checkpoints, if checkpoints are configured.
    pub(super) dir: Option<&'a Path>,
}

impl End<'_> {
    fn has_key(&self) -> bool {
        *self.key != [0; 16]
    }
}

/// Why a link was not made.
#[derive(Debug)]
pub(super) enum LinkRefusal {
    /// The other end is not one of our processes, or it disconnected: another process may call.
    Stranger(anyhow::Error),
    /// The other end is one of our processes with other settings: this start cannot succeed.
    Unlike(Unlike),
}

/// The other end cannot seal with our key.
#[derive(Debug, thiserror::Error)]
#[error("it does not have the key (`cluster.key`)")]
pub(super) struct Keyless;

impl From<anyhow::Error> for LinkRefusal {
    fn from(error: anyhow::Error) -> Self {
        LinkRefusal::Stranger(error)
    }
}

impl From<std::io::Error> for LinkRefusal {
    fn from(error: std::io::Error) -> Self {
        LinkRefusal::Stranger(error.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Hello {
    protocol: String,
    process: usize,
    once: [u64; 4],
    /// Whether this end has a key, and therefore continues within TLS.
    #[serde(default)]
    has_key: bool,
}

#[derive(Serialize, Deserialize)]
struct Said {
    facts: Facts,
    start: Option<Start>,
    objection: Option<Unlike>,
}

/// The speaker and the step that a seal belongs to.
type Words = &'static str;
const CALLED: Words = "called";
const CALLER: Words = "caller";
const VERDICT: Words = "verdict";

#[derive(Serialize, Deserialize)]
struct Sealed {
    said: String,
    seal: [u64; 4],
}

/// Calls process `other`; returns its information about this start.
pub(super) fn call(mut socket: TcpStream, own: &End<'_>, other: usize) -> Result<(Link, Option<Start>), LinkRefusal> {
    prepare(&socket)?;
    let ours = hello(own)?;
    send(&mut socket, &ours)?;
    let theirs: Hello = receive(&mut socket)?;
    ensure_hello(&theirs, |process| process == other)?;
    let (mut link, talk) = Talk::begin(&socket, own, [&ours, &theirs], encrypted_link::call)?;
    let said: Said = match talk.open(CALLED, receive(&mut link)?) {
        Ok(said) => said,
        Err(error) => {
            // A stranger only learns that the keys differ, so that a wrongly configured process of ours learns it too.
            send(&mut link, &talk.seal(CALLER, &())?)?;
            return Err(error.into());
        }
    };
    let start = own.start.or(said.start);
    let objection = objection(own, other, &said).or_else(|| misses_token(own, start.as_ref()?));
    let answer = Said { facts: own.facts.clone(), start, objection: objection.clone() };
    send(&mut link, &talk.seal(CALLER, &answer)?)?;
    let verdict: Option<Unlike> = talk.open(VERDICT, receive(&mut link)?)?;
    match objection.or(verdict) {
        Some(unlike) => Err(LinkRefusal::Unlike(unlike)),
        None => {
            hand_over(&socket)?;
            Ok((link, start))
        }
    }
}

/// Answers a call of a process with a higher number; returns the link, and the number.
pub(super) fn answer(mut socket: TcpStream, own: &End<'_>) -> Result<(Link, usize), LinkRefusal> {
    prepare(&socket)?;
    let theirs: Hello = receive(&mut socket)?;
    ensure_hello(&theirs, |process| (own.process + 1..own.facts.processes).contains(&process))?;
    let ours = hello(own)?;
    send(&mut socket, &ours)?;
    let (mut link, talk) = Talk::begin(&socket, own, [&theirs, &ours], encrypted_link::answer)?;
    let words = Said { facts: own.facts.clone(), start: own.start, objection: None };
    send(&mut link, &talk.seal(CALLED, &words)?)?;
    let said: Said = talk.open(CALLER, receive(&mut link)?)?;
    let found = objection(own, theirs.process, &said);
    let objection = said.objection.or(found);
    send(&mut link, &talk.seal(VERDICT, &objection)?)?;
    match objection {
        Some(unlike) => Err(LinkRefusal::Unlike(unlike)),
        None => {
            hand_over(&socket)?;
            Ok((link, theirs.process))
        }
    }
}

/// The objection to the other end, which has the key: it has other settings, or belongs to another start.
fn objection(own: &End<'_>, other: usize, said: &Said) -> Option<Unlike> {
    own.facts.unlike(&said.facts, [own.process, other]).or_else(|| match (own.start, said.start) {
        (Some(ours), Some(theirs)) if ours != theirs => Some(Unlike::of_other_start([own.process, other])),
        _ => None,
    })
}

/// The objection to process 0's checkpoint: the directory of this process is not the directory that process 0 wrote to.
fn misses_token(own: &End<'_>, start: &Start) -> Option<Unlike> {
    let dir = own.dir.filter(|dir| !token::is_there(dir, start.generation))?;
    Some(Unlike::of_other_directory(own.process, dir))
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
    Ok(Hello { protocol: PROTOCOL.to_owned(), process: own.process, once, has_key: own.has_key() })
}

fn ensure_hello(hello: &Hello, is_expected: impl Fn(usize) -> bool) -> anyhow::Result<()> {
    ensure!(
        hello.protocol == PROTOCOL,
        "it speaks another protocol: all processes must run the same version of Vitrine"
    );
    ensure!(is_expected(hello.process), "process {} is not expected here", hello.process);
    Ok(())
}

/// What both ends have told each other, as every seal covers it.
struct Talk<'a> {
    key: &'a [u8; 16],
    /// The hello of the caller, then the hello of the called process.
    hellos: [Vec<u8>; 2],
    /// Identifies the TLS session; empty without TLS.
    session: Vec<u8>,
}

impl<'a> Talk<'a> {
    /// Goes on after the hellos: within TLS if both ends have a key, by `encrypt`.
    fn begin(
        socket: &TcpStream,
        own: &End<'a>,
        hellos: [&Hello; 2],
        encrypt: impl FnOnce(TcpStream) -> anyhow::Result<Encrypted>,
    ) -> anyhow::Result<(Link, Talk<'a>)> {
        let socket = socket.try_clone()?;
        let texts = [serde_json::to_vec(hellos[0])?, serde_json::to_vec(hellos[1])?];
        let mut talk = Talk { key: own.key, hellos: texts, session: Vec::new() };
        // If only one end has a key, neither opens the other's seals, and both learn that their keys differ.
        if !hellos.iter().all(|hello| hello.has_key) {
            return Ok((Link::over(socket), talk));
        }
        let Encrypted { stream, session } = encrypt(socket)?;
        talk.session = session.to_vec();
        Ok((Link::over(stream), talk))
    }

    fn mac(&self, words: Words, said: &str) -> anyhow::Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key).context("the key has a wrong length")?;
        let [caller, called] = &self.hellos;
        // Each part with its length: two different lists of parts never have the same bytes.
        for part in [caller, called, &self.session, words.as_bytes(), said.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Ok(mac)
    }

    fn seal(&self, words: Words, said: &impl Serialize) -> anyhow::Result<Sealed> {
        let said = serde_json::to_string(said)?;
        let bytes = self.mac(words, &said)?.finalize().into_bytes();
        let mut seal = [0; 4];
        for (word, bytes) in seal.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_be_bytes(bytes.try_into().context("eight bytes are a word")?);
        }
        Ok(Sealed { said, seal })
    }

    fn open<T: DeserializeOwned>(&self, words: Words, sealed: Sealed) -> anyhow::Result<T> {
        let mac = self.mac(words, &sealed.said)?;
        let seal: Vec<u8> = sealed.seal.iter().flat_map(|word| word.to_be_bytes()).collect();
        mac.verify_slice(&seal).map_err(|_| Keyless)?;
        Ok(serde_json::from_str(&sealed.said)?)
    }
}

fn send(link: &mut impl Write, message: &impl Serialize) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    link.write_all(&[&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()).context("it disconnected")
}

fn receive<T: DeserializeOwned>(link: &mut impl Read) -> anyhow::Result<T> {
    let mut length = [0; 4];
    link.read_exact(&mut length).context("it sent no further message")?;
    let length = u32::from_be_bytes(length) as usize;
    ensure!(length <= MESSAGE_MAX, "it is not a process of a cluster");
    let mut bytes = vec![0; length];
    link.read_exact(&mut bytes).context("it sent no further message")?;
    serde_json::from_slice(&bytes).context("it is not a process of a cluster")
}

/// Makes a link ready for rows.
fn hand_over(link: &TcpStream) -> std::io::Result<()> {
    link.set_read_timeout(None)?;
    link.set_write_timeout(None)
}

#[cfg(test)]
mod tests;
