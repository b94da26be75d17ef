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
//! replayed on another link, nor sent back, and whoever stands between the two ends has another session with each of
//! them. Before a process ends because of an objection, the other process has received it, so both know the reason.

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
const PROTOCOL: &str = "vitrine cluster 3";

/// Far more than any message takes.
const MESSAGE_MAX: usize = 64 << 10;

/// How long one end waits for the other's next message.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

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
    /// Whether this end has a key, and therefore goes on within TLS.
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
    ensure!(hello.protocol == PROTOCOL, "it speaks another protocol");
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
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn start(generation: u64) -> Start {
        Start {
            checkpoint: Some(7),
            floor: Some(checkpoints::ServedWatermark { tick: 5, begun: true, caught_up: true }),
            generation,
        }
    }

    /// One end, as a test configures it.
    #[derive(Clone)]
    struct Set {
        key: [u8; 16],
        facts: Facts,
        start: Option<Start>,
        dir: Option<std::path::PathBuf>,
    }

    fn set(generation: Option<u64>) -> Set {
        Set { key: [1; 16], facts: Facts::of_two(), start: generation.map(start), dir: None }
    }

    impl Set {
        fn end(&self, process: usize) -> End<'_> {
            End { process, key: &self.key, facts: &self.facts, start: self.start, dir: self.dir.as_deref() }
        }
    }

    /// Process 1 calls process 0.
    fn meet(caller: &Set, called: &Set) -> (Result<Option<Start>, LinkRefusal>, Result<usize, LinkRefusal>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        let (call, answer) = talk(caller, link, called, other);
        (call.map(|(_, start)| start), answer.map(|(_, number)| number))
    }

    type Called = Result<(Link, Option<Start>), LinkRefusal>;
    type Answered = Result<(Link, usize), LinkRefusal>;

    fn talk(caller: &Set, link: TcpStream, called: &Set, other: TcpStream) -> (Called, Answered) {
        let called = called.clone();
        let answering = std::thread::spawn(move || answer(other, &called.end(0)));
        let call = call(link, &caller.end(1), 0);
        (call, answering.join().unwrap())
    }

    #[test]
    fn an_end_without_a_key_and_one_with_a_key_refuse_each_other() {
        let none = Set { key: [0; 16], ..set(None) };
        let keyed = set(Some(9));
        for (caller, called) in [(&none, &keyed), (&keyed, &none)] {
            let (call, answer) = meet(caller, called);
            assert!(matches!(call, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
            assert!(matches!(answer, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
        }
        assert!(meet(&none, &none).0.is_ok());
    }

    /// Passes the hellos on, then makes a TLS session of its own with each end and passes on what they say within.
    #[test]
    fn whoever_stands_between_two_ends_with_the_key_is_noticed_by_both() {
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (near, listener.accept().unwrap().0)
        };
        let ((caller, mut to_caller), (mut to_called, called)) = (pair(), pair());
        let between = std::thread::spawn(move || {
            let hello: serde_json::Value = receive(&mut to_caller).unwrap();
            send(&mut to_called, &hello).unwrap();
            let hello: serde_json::Value = receive(&mut to_called).unwrap();
            send(&mut to_caller, &hello).unwrap();
            let mut to_caller = encrypted_link::answer(to_caller).unwrap().stream;
            let mut to_called = encrypted_link::call(to_called).unwrap().stream;
            let facts: serde_json::Value = receive(&mut to_called).unwrap();
            send(&mut to_caller, &facts).unwrap();
            let answer: serde_json::Value = receive(&mut to_caller).unwrap();
            send(&mut to_called, &answer).unwrap();
        });
        let (call, answer) = talk(&set(None), caller, &set(Some(9)), called);
        between.join().unwrap();
        assert!(matches!(call, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
        assert!(matches!(answer, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
    }

    #[test]
    fn those_with_the_key_and_alike_learn_who_the_other_is_and_where_to_start() {
        let (call, answer) = meet(&set(None), &set(Some(9)));
        assert_eq!((call.unwrap(), answer.unwrap()), (Some(start(9)), 1));
        let (call, answer) = meet(&set(Some(9)), &set(Some(9)));
        assert_eq!((call.unwrap(), answer.unwrap()), (Some(start(9)), 1));
    }

    #[test]
    fn both_ends_say_that_the_keys_differ_and_neither_gives_up() {
        let other = Set { key: [2; 16], ..set(None) };
        let (call, answer) = meet(&other, &set(Some(9)));
        assert!(matches!(call, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
        assert!(matches!(answer, Err(LinkRefusal::Stranger(why)) if why.is::<Keyless>()));
    }

    /// The objection with which both ends have given up: its text, and whether it is permanent.
    fn unlike(caller: &Set, called: &Set) -> (String, bool) {
        match meet(caller, called) {
            (Err(LinkRefusal::Unlike(call)), Err(LinkRefusal::Unlike(answer))) => {
                assert_eq!(call, answer, "both are told the same");
                (call.to_string(), call.lasts)
            }
            met => panic!("both ends must give up: {met:?}"),
        }
    }

    #[test]
    fn a_process_set_up_otherwise_or_of_another_start_is_refused_by_name_at_both_ends() {
        let more = Set { facts: Facts { workers: 2, ..Facts::of_two() }, ..set(None) };
        let (why, lasts) = unlike(&more, &set(Some(9)));
        assert!(lasts && why.contains("numbers of workers: 2 and 1"), "{why}");
        let (why, lasts) = unlike(&set(Some(8)), &set(Some(9)));
        assert!(!lasts && why.contains("different starts"), "{why}");
    }

    #[test]
    fn a_process_that_does_not_share_the_directory_is_refused_at_both_ends() {
        let [ours, theirs] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        token::leave(theirs.path(), 9).unwrap();
        let (zero, mut one) = (set(Some(9)), set(None));
        one.dir = Some(ours.path().to_owned());
        let (why, lasts) = unlike(&one, &zero);
        assert!(lasts && why.contains("`checkpoint.dir`"), "{why}");
        one.dir = Some(theirs.path().to_owned());
        assert_eq!(meet(&one, &zero).0.unwrap(), Some(start(9)));
    }
}
