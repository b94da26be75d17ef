//! The archiver on a log in memory: whatever happens to it, every record is in the archive once, and other programs read it.

mod erasures;
mod formats;
mod full_disk;
mod interleavings;
mod kills;
mod made_anew;
mod memory_log;
mod memory_store;
mod notebook;
mod s3;
mod segment_ends;
mod shares;
mod steps;
