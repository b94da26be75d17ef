//! Two ends that agree, and two ends that refuse each other.

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
