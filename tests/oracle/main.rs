//! The oracle: for any input, order, batches and workers, every list at every closed tick equals a plain recomputation
//! over the whole history, rank by rank.
//!
//! ```text
//! histories (random, legal) ─┬─▶ cluster: 1, 2, 4 workers, three ways to pace them ─▶ samples of a IndexReader, changes ─┐
//!                            └─▶ plain: the definitions, recomputed from nothing ─────▶ lists as of any time ──────┴▶ equal?
//! ```
//! The faults that each part would catch: `properties` wrong lists and orders under every split of the input; `edges`
//! named cases that were wrong once or are error-prone; `live` an inconsistent state seen by a reader on another thread
//! of the real engine, and a position that does not cover the write that the reader waits for; `cuts` a checkpoint
//! whose state is not that of its tick, or a restart that shows another state; `replay` a step with too many or too few
//! rows, or output that depends on more than the records; `labels` a feature of the
//! future beside a label; `evaluate` an answer that knows of later lines, or counts that
//! change at another time; `readiness` a process that does not know that another process is not live.
//!
//! `PROPTEST_CASES` sets how many histories each property tries.

mod cluster;
mod cuts;
mod edges;
mod erasures;
mod evaluate;
mod given;
mod histories;
mod interactions;
mod labels;
mod learned;
mod live;
mod meeting;
mod merchandising;
mod plain;
mod processes;
mod properties;
mod readiness;
mod recommended;
mod replay;
mod retention;
mod right;
mod seen;
mod shadow;
