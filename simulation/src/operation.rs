//! What can happen, and how a seed makes it happen.

use dataflow::time::Millis;

use crate::dice::Dice;

/// One thing that happens. Numbers are taken within what there is, so that any operation can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A page is viewed, some time ago.
    View {
        /// Who.
        user: usize,
        /// What.
        product: usize,
        /// Where it is written to.
        partition: usize,
        /// How long ago.
        ago_ms: Millis,
    },
    /// A view is to be forgotten: a DELETE, which is answered.
    Removal {
        /// Who.
        user: usize,
        /// What.
        product: usize,
        /// Where it is written to.
        partition: usize,
    },
    /// A transaction of a producer is aborted.
    Abort {
        /// In which topic.
        topic: usize,
        /// In which partition.
        partition: usize,
        /// Of how many records.
        records: usize,
    },
    /// A topic is deleted, and made anew at once or later.
    DeleteTopic {
        /// Which.
        topic: usize,
        /// The partitions of the new one; none: it is not made anew yet.
        anew: Option<usize>,
    },
    /// A topic is made where it is missing.
    CreateTopic {
        /// Which.
        topic: usize,
        /// How many partitions.
        partitions: usize,
    },
    /// A topic gets one more partition.
    AddPartition {
        /// Which.
        topic: usize,
    },
    /// A partition loses its last records.
    Truncate {
        /// In which topic.
        topic: usize,
        /// Which.
        partition: usize,
        /// How many.
        records: usize,
    },
    /// A partition's first records expire.
    Expire {
        /// In which topic.
        topic: usize,
        /// Which.
        partition: usize,
        /// How many offsets.
        records: usize,
    },
    /// A transaction of the shop's database.
    Transact {
        /// What is in it.
        seed: u64,
    },
    /// Transactions of somebody else's.
    Grow {
        /// How many bytes of log.
        bytes: i64,
    },
    /// The slot is dropped.
    DropSlot,
    /// The slot is moved on to the end by somebody else.
    AdvanceSlot,
    /// The server throws away the log that the slot needs.
    LoseSlot,
    /// A table leaves the publication.
    Unpublish {
        /// Which.
        table: usize,
    },
    /// A statement writes all values of a column anew, which the log does not tell.
    Rewrite {
        /// Of which table.
        table: usize,
    },
    /// A used column is dropped.
    BreakTable {
        /// Of which table.
        table: usize,
    },
    /// Every used column is there again.
    MendTables,
    /// The connection to the database breaks.
    Disconnect,
    /// Time passes.
    Pass {
        /// How much.
        ms: Millis,
    },
    /// The machine's clock is set.
    SetClock {
        /// How far it is off from now on.
        skew_ms: i64,
    },
    /// The watcher of the topics looks.
    Look {
        /// At everything.
        deep: bool,
    },
    /// The database gives transactions.
    Follow {
        /// How many at most.
        transactions: usize,
    },
    /// What has arrived is fed, and a tick closes.
    Tick {
        /// Records at most.
        budget: usize,
        /// It closes for a cut.
        cut: bool,
        /// It is shown only later.
        unseen: bool,
    },
    /// The cut taken last is written.
    Write {
        /// What the disk does meanwhile.
        fault: Option<Fault>,
    },
    /// The process is killed.
    Kill,
    /// The machine crashes.
    Crash {
        /// What is lost of what was not durable.
        loss: u64,
    },
    /// The process is started, if it does not run.
    Start,
    /// Nothing more happens until everything has come through.
    Rest,
}

/// What a disk does in the middle of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It crashes with the machine, at that operation from now, with that loss.
    Crash(u64, u64),
    /// That operation from now fails.
    Fail(u64),
    /// It has so many bytes left.
    Full(u64),
}

impl Operation {
    /// The operations of a seed.
    #[must_use]
    pub fn many(seed: u64, count: usize) -> Vec<Operation> {
        let mut dice = Dice::new(seed);
        (0..count).map(|_| Operation::one(&mut dice)).collect()
    }

    fn one(dice: &mut Dice) -> Operation {
        let (user, product) = (dice.one_of(crate::world::USERS), dice.one_of(crate::world::PRODUCTS));
        let (topic, partition, records) = (usize::from(dice.once_in(3)), dice.one_of(4), 1 + dice.one_of(4));
        match dice.below(1000) {
            0..290 => {
                let ago_ms = if dice.once_in(5) { dice.below(20_000) } else { dice.below(300) };
                Operation::View { user, product, partition, ago_ms }
            }
            290..340 => Operation::Removal { user, product, partition },
            340..355 => Operation::Abort { topic, partition, records },
            355..465 => Operation::Transact { seed: dice.next() },
            465..475 => Operation::Grow { bytes: 1 + dice.below(100) as i64 },
            475..630 => Operation::Pass { ms: dice.below(400) },
            630..635 => Operation::SetClock { skew_ms: dice.below(9000) as i64 - 3000 },
            635..680 => Operation::Look { deep: !dice.once_in(3) },
            680..750 => Operation::Follow { transactions: 1 + dice.one_of(6) },
            750..890 => {
                let budget = if dice.once_in(3) { 1 + dice.one_of(5) } else { 100 };
                Operation::Tick { budget, cut: dice.once_in(5), unseen: dice.once_in(10) }
            }
            890..926 => Operation::Write { fault: dice.once_in(6).then(|| Fault::one(dice)) },
            926..930 => Operation::Kill,
            930..933 => Operation::Crash { loss: dice.next() },
            933..970 => Operation::Start,
            970..974 => {
                let anew = dice.one_of(4);
                Operation::DeleteTopic { topic, anew: (!dice.once_in(3)).then_some(anew) }
            }
            974..977 => Operation::CreateTopic { topic, partitions: dice.one_of(4) },
            977..980 => Operation::AddPartition { topic },
            980..983 => Operation::Truncate { topic, partition, records },
            983..986 => Operation::Expire { topic, partition, records: 1 + dice.one_of(10) },
            986..988 => Operation::DropSlot,
            988..990 => Operation::AdvanceSlot,
            990..991 => Operation::LoseSlot,
            991..994 => Operation::Disconnect,
            994..996 => Operation::of_tables(dice),
            _ => Operation::Rest,
        }
    }
}

impl Operation {
    /// Somebody changes the database's tables or the publication.
    fn of_tables(dice: &mut Dice) -> Operation {
        let table = dice.one_of(3);
        match dice.below(5) {
            0 => Operation::Unpublish { table },
            1 => Operation::Rewrite { table },
            2 => Operation::BreakTable { table },
            _ => Operation::MendTables,
        }
    }
}

impl Fault {
    fn one(dice: &mut Dice) -> Fault {
        match dice.below(3) {
            0 => Fault::Crash(dice.below(20), dice.next()),
            1 => Fault::Fail(dice.below(20)),
            _ => Fault::Full(dice.below(3000)),
        }
    }
}
