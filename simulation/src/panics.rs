//! A panic of the simulated system is a failure of its seed like any other: it is caught, with its message and its
//! place.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is within [`caught`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// The message of the panic there.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs `work`, and returns the message if it panics. The panic is not printed, because shrinking a failure repeats it
/// many times.
pub(crate) fn caught(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !note(panic) {
                before(panic)
            }
        }));
    });
    CATCHING.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    let said = SAID.take();
    done.unwrap_or_else(|_| Err(said.unwrap_or_else(|| "it panicked without a message".to_owned())))
}

/// Keeps the message; false if it must be printed.
fn note(panic: &PanicHookInfo<'_>) -> bool {
    if !CATCHING.get() {
        return false;
    }
    SAID.with_borrow_mut(|said| match said {
        // A second panic while the first unwinds ends the program; without this output the first one would never be
        // reported.
        Some(first) => {
            eprintln!("{first}");
            false
        }
        None => {
            *said = Some(panic.to_string().replace('\n', " "));
            true
        }
    })
}
