//! Removes from a failing run all operations that the failure does not need.

use crate::operation::Operation;
use crate::outcome::Failure;
use crate::plant::Plant;
use crate::run::run;

/// The fewest operations found in at most `attempts_max` runs that still fail, and their failure.
#[must_use]
pub fn shrink(
    operations: &[Operation],
    failure: Failure,
    plant: Option<Plant>,
    attempts_max: usize,
) -> (Vec<Operation>, Failure) {
    let mut smallest = operations[..failure.after.min(operations.len())].to_vec();
    let (mut failure, mut attempts, mut size) = (failure, 0, smallest.len().div_ceil(2));
    while size > 0 && attempts < attempts_max {
        let (mut at, mut shrunk) = (0, false);
        while at < smallest.len() && attempts < attempts_max {
            let mut fewer = smallest.clone();
            fewer.drain(at..(at + size).min(smallest.len()));
            attempts += 1;
            match run(&fewer, plant) {
                Ok(_) => at += size,
                Err(found) => {
                    fewer.truncate(found.after);
                    (smallest, failure, shrunk) = (fewer, found, true);
                }
            }
        }
        if size == 1 && !shrunk {
            break;
        }
        size = if size == 1 { 1 } else { size / 2 };
    }
    (smallest, failure)
}
