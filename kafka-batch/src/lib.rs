//! A partition's records, taken from librdkafka in batches and read in place.
//!
//! ```text
//! librdkafka's queue of a partition ──fill──▶ batch of messages ──take──▶ Taken: Record, End, Failed
//!                                               └─ freed together by the next `fill`
//! ```
//! The binding (`rdkafka`) gives one record a call. Each call reads the clock, allocates a reference count and releases an
//! event, which together cost about as much as the record itself. librdkafka's `rd_kafka_consume_batch_queue` gives many
//! records a call, but the binding does not wrap it, and no other maintained crate does.
//!
//! [`BrokerAddresses`] is the other call of librdkafka that the binding lacks.
//!
//! This is the only package of the workspace with `unsafe` code. It is small so that it can be read whole. Three facts
//! about librdkafka make it sound; the comments on the blocks refer to them by number:
//!
//! 1. A message belongs to the application until `rd_kafka_message_destroy`. Its payload and its key do not move or change
//!    before. Each message is destroyed exactly once here, by the `fill` after it was given or by the drop of the queue, and
//!    both borrow the queue exclusively, so that no [`Record`] is left.
//! 2. All messages and queues must be gone before the client is destroyed. The queue holds the client (`Arc`), and releases
//!    it last.
//! 3. librdkafka calls the non-empty callback with the queue's lock held, and `rd_kafka_queue_cb_event_enable` takes the same
//!    lock: after it has returned, no earlier callback runs or will run. So the closure can be freed then.

mod brokers;

use std::cell::Cell;
use std::ffi::CString;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use rdkafka::Timestamp;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

pub use brokers::BrokerAddresses;

/// The most messages that one call takes.
pub const BATCH_MAX: usize = 1024;

/// A record of a partition, borrowed from the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// When it was created or appended.
    pub timestamp: Timestamp,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// What a partition gave.
#[derive(Debug)]
pub enum Taken<R> {
    /// A record.
    Record(R),
    /// There was nothing more at that time. Holds the offset before which everything has been given.
    End(i64),
    /// Reading fails.
    Failed(KafkaError),
}

type Message = NonNull<sys::rd_kafka_message_t>;
type NonEmpty = Box<dyn Fn() + Send + Sync>;

/// The queue of one partition of a consumer. It stays on its thread, because a batch is read without locks.
pub struct BatchQueue<C: ConsumerContext + 'static> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Messages of the current batch.
    batch: Vec<Message>,
    /// How many of them were given.
    taken: Cell<usize>,
    /// The closure behind the pointer that librdkafka has. Boxed within: the pointer must be a thin one.
    nonempty: Option<Arc<NonEmpty>>,
    // Last: fact 2.
    _consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext> BatchQueue<C> {
    /// Separates a partition's records from the consumer's own queue. Call this before the partition is assigned, so that all
    /// its records come this way; `assign` undoes it, `incremental_assign` does not. The consumer must still be polled for its
    /// other events. None if librdkafka has no queue for such a partition.
    #[must_use]
    pub fn split(consumer: &Arc<BaseConsumer<C>>, topic: &str, partition: i32) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives as long as `consumer`, and the name ends with a zero byte. The reference to the queue that
        // is returned is this value's own.
        let queue =
            unsafe { sys::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition) };
        let queue = NonNull::new(queue)?;
        // SAFETY: the queue was given above. A null destination ends its forwarding.
        unsafe { sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        let (batch, taken) = (Vec::with_capacity(BATCH_MAX), Cell::new(0));
        Some(BatchQueue { queue, batch, taken, nonempty: None, _consumer: consumer.clone() })
    }

    /// Calls `nonempty` when something arrives in the empty queue: from librdkafka's threads, so it must be short and must not
    /// use the queue. It replaces an earlier callback.
    pub fn on_nonempty(&mut self, nonempty: impl Fn() + Send + Sync + 'static) {
        let nonempty: Arc<NonEmpty> = Arc::new(Box::new(nonempty));
        let opaque = Arc::as_ptr(&nonempty);
        // SAFETY: the queue is valid while `self` is. The closure lives until it is replaced or `self` is dropped, and in
        // both cases librdkafka stops calling it first (fact 3). It may be called from any thread.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), Some(call), opaque.cast_mut().cast()) };
        // Only now is an earlier closure freed.
        self.nonempty = Some(nonempty);
    }

    /// Takes up to `limit` messages that have arrived, and at most [`BATCH_MAX`], once all messages of the previous batch
    /// have been given; until then this does nothing. Returns how many messages [`BatchQueue::take`] can give.
    pub fn fill(&mut self, limit: usize) -> usize {
        if self.taken.get() == self.batch.len() {
            self.clear();
            let limit = limit.min(self.batch.capacity());
            let start: *mut *mut sys::rd_kafka_message_t = self.batch.as_mut_ptr().cast();
            // SAFETY: the vector is empty and has room for `limit` pointers from `start` on (`NonNull` has the layout of a
            // pointer), which this call fills from the first on. A timeout of 0 does not block.
            let filled = unsafe { sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, start, limit) };
            let filled = usize::try_from(filled).unwrap_or(0).min(limit);
            // SAFETY: the first `filled` pointers were written by the call, and librdkafka gives no null pointers.
            unsafe { self.batch.set_len(filled) };
        }
        self.batch.len() - self.taken.get()
    }

    /// The next message of the batch; none after the last one.
    pub fn take(&self) -> Option<Taken<Record<'_>>> {
        let message = self.batch.get(self.taken.get())?;
        self.taken.set(self.taken.get() + 1);
        // SAFETY: a message of the batch is valid until it is destroyed, which needs `&mut self` (fact 1).
        let fields = unsafe { message.as_ref() };
        Some(match fields.err {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Taken::Record(Record {
                offset: fields.offset,
                timestamp: timestamp(*message),
                key: self.bytes(fields.key, fields.key_len),
                payload: self.bytes(fields.payload, fields.len),
            }),
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Taken::End(fields.offset),
            error => Taken::Failed(KafkaError::MessageConsumption(error.into())),
        })
    }

    /// Bytes of a message of the batch; none if there are none. They live as long as the batch.
    fn bytes(&self, start: *mut c_void, length: usize) -> Option<&[u8]> {
        let start = NonNull::new(start)?.cast::<u8>();
        // SAFETY: librdkafka states where a key or a payload begins and how long it is. It does not change before its
        // message is destroyed, which needs `&mut self` (fact 1).
        Some(unsafe { slice::from_raw_parts(start.as_ptr(), length) })
    }

    /// Destroys the messages of the batch.
    fn clear(&mut self) {
        self.taken.set(0);
        for message in self.batch.drain(..) {
            // SAFETY: the message is taken out of the batch here, and so destroyed once. No record borrows it, because `self`
            // is borrowed exclusively (fact 1).
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

impl<C: ConsumerContext> Drop for BatchQueue<C> {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: the queue is valid. After this call the closure is not called any more (fact 3); it is freed after this
        // function.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut()) };
        // SAFETY: releases this value's reference to the queue, once; the client is still there (fact 2).
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// The time of a message.
fn timestamp(message: Message) -> Timestamp {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is valid, as its caller has just read it, and `kind` may be written.
    let time = unsafe { sys::rd_kafka_message_timestamp(message.as_ptr(), &raw mut kind) };
    match kind {
        _ if time == -1 => Timestamp::NotAvailable,
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::NotAvailable,
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::CreateTime(time),
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::LogAppendTime(time),
    }
}

/// What librdkafka calls. A panic of the closure ends the process: it cannot cross C.
extern "C" fn call(_client: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is the pointer that `on_nonempty` gave, and its closure is alive (fact 3).
    let nonempty = unsafe { &*opaque.cast::<NonEmpty>() };
    nonempty();
}
