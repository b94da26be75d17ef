//! A panic of what is simulated is a failure of its seed like any other: caught, with its words and its place.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is within [`caught`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// What it has panicked with there.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Does something, and says what it panicked with if it did. Nothing is printed then: whoever shrinks a failure brings
/// it about again and again.
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
    done.unwrap_or_else(|_| Err(said.unwrap_or_else(|| "it panicked without a word".to_owned())))
}

/// Keeps what was said; false if it is to be printed.
fn note(panic: &PanicHookInfo<'_>) -> bool {
    if !CATCHING.get() {
        return false;
    }
    SAID.with_borrow_mut(|said| match said {
        // While the first is unwound: that ends the program, and nobody will be told of the first one otherwise.
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
