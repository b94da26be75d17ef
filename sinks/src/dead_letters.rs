//! The thread that writes refused records to the log, so that no source waits for a disk or a broker.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use dataflow::backoff::Backoff;
use dataflow::source_status::State;

use crate::Report;
use crate::block_on::block_on;
use crate::log::{AppendError, EventLog, Record, Stream, Unavailable};

/// How many letters are appended at once at most.
const BATCH: usize = 500;

/// How often the thread checks for flush requests while no letter comes.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// How long the end waits for idle senders to close: a source may hang in a call to its service.
const LAST_LETTER_MAX: Duration = Duration::from_secs(1);

/// Some dead letters that were sent are not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("some dead letters could not be written in time")]
pub struct UnwrittenLetters;

/// The thread that writes dead letters.
///
/// Letters come through a bounded channel; a source that finds it full keeps its letter, and reads on when there is
/// room again. While the log is unavailable the thread tries for ever, so nothing is dropped; a letter that was
/// written in an attempt that failed as a whole may be in the log twice, under one key.
pub struct DeadLetterWriter {
    deadline: Sender<Instant>,
    flushes: Sender<SyncSender<()>>,
    done: Receiver<Result<(), UnwrittenLetters>>,
}

impl DeadLetterWriter {
    /// Starts to append the letters of a channel of at most `room` letters; `to_record` makes a record of each. `report` is
    /// called when the log becomes unavailable, and when it is back.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start<L: Send + 'static>(
        log: Arc<dyn EventLog>,
        letters: Receiver<L>,
        room: usize,
        to_record: impl Fn(L) -> Record + Send + 'static,
        report: Report,
    ) -> io::Result<DeadLetterWriter> {
        let (deadline, deadlines) = channel();
        let (flushes, flush_requests) = channel();
        let (result, done) = channel();
        let mut thread = WriterThread { log, report, deadlines, ending: None, flush_requests, room };
        std::thread::Builder::new().name("dead-letters".into()).spawn(move || {
            // Without a call of `finish` nobody waits for the result.
            let _ = result.send(thread.run(&letters, to_record));
        })?;
        Ok(DeadLetterWriter { deadline, flushes, done })
    }

    /// A function that waits until all letters sent before are in the log, from any thread. It fails if that takes longer
    /// than its argument.
    pub fn settling(&self) -> impl Fn(Duration) -> Result<(), UnwrittenLetters> + Send + Sync + use<> {
        let flushes = self.flushes.clone();
        move |within| {
            let (done, settled) = sync_channel(1);
            flushes.send(done).map_err(|_| UnwrittenLetters)?;
            settled.recv_timeout(within).map_err(|_| UnwrittenLetters)
        }
    }

    /// Waits until all letters are in the log. Every sender of the channel must be gone, or soon be: only then is a letter
    /// known to be the last. A sender that stays and sends nothing is not waited for.
    ///
    /// # Errors
    /// When that took longer than `within`.
    pub fn finish(self, within: Duration) -> Result<(), UnwrittenLetters> {
        // If the thread has ended, it needs no deadline.
        let _ = self.deadline.send(Instant::now() + within);
        self.done.recv_timeout(within).unwrap_or(Err(UnwrittenLetters))
    }
}

#[derive(Clone, Copy)]
struct Ending {
    since: Instant,
    give_up_at: Instant,
}

impl Ending {
    fn by(give_up_at: Instant) -> Ending {
        Ending { since: Instant::now(), give_up_at }
    }
}

/// The state of the thread.
struct WriterThread {
    log: Arc<dyn EventLog>,
    report: Report,
    deadlines: Receiver<Instant>,
    /// The time at which the end was requested, and how long it may take.
    ending: Option<Ending>,
    /// Requests to answer when all letters sent so far are in the log.
    flush_requests: Receiver<SyncSender<()>>,
    /// How many letters the channel holds at most.
    room: usize,
}

impl WriterThread {
    fn run<L>(&mut self, letters: &Receiver<L>, to_record: impl Fn(L) -> Record) -> Result<(), UnwrittenLetters> {
        (self.report)(State::Live);
        loop {
            let mut flushes: Vec<_> = self.flush_requests.try_iter().collect();
            // Letters sent before a request are in the channel by now, before letters that are sent meanwhile.
            let most = if flushes.is_empty() { BATCH } else { self.room };
            let mut waiting: Vec<L> = letters.try_iter().take(most).collect();
            if waiting.is_empty() && flushes.is_empty() {
                match letters.recv_timeout(CHECK_EVERY) {
                    Ok(letter) => waiting.push(letter),
                    Err(RecvTimeoutError::Timeout) if self.is_last() => {
                        tracing::warn!(
                            "a source has not stopped, because it hangs in a call to its service; ending without it"
                        );
                        return Ok(());
                    }
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
            let mut waiting = waiting.into_iter().map(&to_record).peekable();
            while waiting.peek().is_some() {
                self.write(waiting.by_ref().take(BATCH).collect())?;
            }
            // The caller may have given up.
            for flush in flushes.drain(..) {
                let _ = flush.try_send(());
            }
        }
    }

    /// While no letter waits: whether no further letter will come.
    fn is_last(&mut self) -> bool {
        if let Ok(deadline) = self.deadlines.try_recv() {
            self.ending = Some(Ending::by(deadline));
        }
        self.ending.is_some_and(|ending| Instant::now() >= ending.give_up_at.min(ending.since + LAST_LETTER_MAX))
    }

    /// Appends the records. If the log refuses one, appends each by itself, so that it does not block the others.
    fn write(&mut self, records: Vec<Record>) -> Result<(), UnwrittenLetters> {
        if self.append(records.clone())? {
            return Ok(());
        }
        for record in records {
            let bytes = record.payload.len();
            if !self.append(vec![record])? {
                tracing::error!(bytes, "the log refuses a dead letter for good: it is lost");
            }
        }
        Ok(())
    }

    /// Appends the records however long the log is unavailable; `false` when it refuses one for good.
    fn append(&mut self, records: Vec<Record>) -> Result<bool, UnwrittenLetters> {
        let mut backoff = crate::backoff();
        let mut retried = false;
        let written = loop {
            match block_on(self.log.append(Stream::DeadLetters, records.clone())) {
                Ok(_) => break true,
                Err(AppendError::Refused(_)) => break false,
                Err(AppendError::Unavailable(unavailable)) => {
                    if !retried {
                        tracing::warn!(%unavailable, "dead letters wait for the log");
                    }
                    retried = true;
                    self.pause(&mut backoff, &unavailable)?;
                }
            }
        };
        if retried {
            tracing::info!("dead letters are written again");
            (self.report)(State::Live);
        }
        Ok(written)
    }

    /// Waits before the next try, or until the time to give up has come.
    fn pause(&mut self, backoff: &mut Backoff, unavailable: &Unavailable) -> Result<(), UnwrittenLetters> {
        (self.report)(State::Retrying(unavailable.to_string()));
        let until = Instant::now() + backoff.pause();
        loop {
            let give_up_at = self.ending.map(|ending| ending.give_up_at);
            if give_up_at.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(UnwrittenLetters);
            }
            let until = give_up_at.map_or(until, |deadline| until.min(deadline));
            match self.deadlines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(deadline) => self.ending = Some(Ending::by(deadline)),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                // The writer was dropped: nobody waits any more.
                Err(RecvTimeoutError::Disconnected) => return Err(UnwrittenLetters),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::log::{Appending, Refused};

    const SOON: Duration = Duration::from_secs(120);

    /// Gives the prepared answers, then accepts everything; refuses records whose payload asks for it.
    #[derive(Default)]
    struct Flaky {
        failures: Mutex<usize>,
        stored: Mutex<Vec<Record>>,
    }

    impl Flaky {
        fn failing(failures: usize) -> Arc<Flaky> {
            Arc::new(Flaky { failures: Mutex::new(failures), stored: Mutex::default() })
        }

        fn stored(&self) -> Vec<String> {
            let stored = self.stored.lock().unwrap();
            stored.iter().map(|record| String::from_utf8(record.payload.clone()).unwrap()).collect()
        }
    }

    impl EventLog for Flaky {
        fn append(&self, stream: Stream, records: Vec<Record>) -> Appending {
            assert_eq!(stream, Stream::DeadLetters);
            let mut failures = self.failures.lock().unwrap();
            let result = if *failures > 0 {
                *failures -= 1;
                Err(Unavailable::Closed.into())
            } else if let Some(index) = records.iter().position(|record| record.payload == b"refused") {
                Err(Refused::TooLarge { index, bytes: 2, bytes_max: 1 }.into())
            } else {
                self.stored.lock().unwrap().extend(records);
                Ok(Vec::new())
            };
            Box::pin(async { result })
        }
    }

    fn to_record(letter: String) -> Record {
        Record { key: Vec::new(), payload: letter.into_bytes() }
    }

    /// Sends the letters through a small channel and finishes; also what was reported.
    fn write(log: &Arc<Flaky>, letters: &[&str], within: Duration) -> (Result<(), UnwrittenLetters>, Vec<State>) {
        let (sender, receiver) = sync_channel(letters.len());
        let reports = Arc::new(Mutex::new(Vec::new()));
        let report: Report = {
            let reports = reports.clone();
            Arc::new(move |state| reports.lock().unwrap().push(state))
        };
        letters.iter().for_each(|letter| sender.send((*letter).to_owned()).unwrap());
        drop(sender);
        let writer = DeadLetterWriter::start(log.clone(), receiver, letters.len(), to_record, report).unwrap();
        let finished = writer.finish(within);
        (
            finished,
            Arc::try_unwrap(reports)
                .map_or_else(|shared| shared.lock().unwrap().clone(), |only| only.into_inner().unwrap()),
        )
    }

    #[test]
    fn an_unavailable_log_is_tried_until_it_takes_every_letter_in_order() {
        let log = Flaky::failing(3);
        let letters: Vec<String> = (0..2 * BATCH + 1).map(|count| count.to_string()).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let (finished, reports) = write(&log, &letters, SOON);
        assert_eq!(finished, Ok(()));
        assert_eq!(log.stored(), letters);
        let retrying = || State::Retrying("the log is closed".into());
        assert_eq!(reports, [State::Live, retrying(), retrying(), retrying(), State::Live]);
    }

    #[test]
    fn a_log_that_stays_unavailable_does_not_keep_the_process_from_ending() {
        let log = Flaky::failing(usize::MAX);
        let (finished, _) = write(&log, &["a"], Duration::from_millis(250));
        assert_eq!(finished, Err(UnwrittenLetters));
    }

    #[test]
    fn what_was_given_before_is_in_the_log_once_it_has_settled() {
        let log = Flaky::failing(1);
        let (sender, receiver) = sync_channel(3 * BATCH);
        let writer = DeadLetterWriter::start(log.clone(), receiver, 3 * BATCH, to_record, Arc::new(|_| ())).unwrap();
        let settle = writer.settling();
        for round in 1..=3 {
            (0..BATCH + 7).for_each(|letter| sender.send(letter.to_string()).unwrap());
            assert_eq!(settle(SOON), Ok(()));
            assert_eq!(log.stored().len(), round * (BATCH + 7));
        }
        drop(sender);
        assert_eq!(writer.finish(SOON), Ok(()));
    }

    #[test]
    fn a_sender_that_hangs_keeps_no_end_waiting_and_is_no_letter_left() {
        let log = Flaky::failing(0);
        let (sender, receiver) = sync_channel(1);
        let writer = DeadLetterWriter::start(log.clone(), receiver, 1, to_record, Arc::new(|_| ())).unwrap();
        sender.send("a".to_owned()).unwrap();
        let start = Instant::now();
        assert_eq!(writer.finish(SOON), Ok(()));
        assert!(start.elapsed() < SOON / 2, "{:?}", start.elapsed());
        assert_eq!(log.stored(), ["a"]);
        drop(sender);
    }

    #[test]
    fn letters_that_go_on_coming_keep_nobody_waiting() {
        let log = Flaky::failing(0);
        let (sender, receiver) = sync_channel(10_000);
        let writer = DeadLetterWriter::start(log, receiver, 10_000, to_record, Arc::new(|_| ())).unwrap();
        let settle = writer.settling();
        let (settled, done) = sync_channel::<()>(0);
        let trickle = std::thread::spawn(move || {
            while done.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
                sender.send("a".to_owned()).unwrap();
            }
        });
        assert_eq!((settle(SOON), settle(SOON)), (Ok(()), Ok(())));
        drop(settled);
        trickle.join().unwrap();
        assert_eq!(writer.finish(SOON), Ok(()));
    }

    #[test]
    fn nothing_has_settled_while_the_log_is_unavailable() {
        let log = Flaky::failing(usize::MAX);
        let (sender, receiver) = sync_channel(1);
        let writer = DeadLetterWriter::start(log, receiver, 1, to_record, Arc::new(|_| ())).unwrap();
        sender.send("a".to_owned()).unwrap();
        assert_eq!(writer.settling()(Duration::from_millis(250)), Err(UnwrittenLetters));
    }

    #[test]
    fn a_letter_that_is_refused_for_good_does_not_hold_up_the_others() {
        let log = Flaky::failing(0);
        let (finished, _) = write(&log, &["a", "refused", "b"], SOON);
        assert_eq!(finished, Ok(()));
        assert_eq!(log.stored(), ["a", "b"]);
    }
}
