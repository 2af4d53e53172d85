//! Panics of this thread, also those in a task, which the runtime keeps to itself.

use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}
static HOOK: Once = Once::new();

/// From now on panics of this thread are remembered.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            SEEN.with_borrow_mut(|seen| seen.push(panic.to_string()));
            before(panic);
        }));
    });
    SEEN.take();
}

/// Those since then.
pub(crate) fn seen() -> Vec<String> {
    SEEN.take()
}
