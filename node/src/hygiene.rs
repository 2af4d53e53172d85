//! What a process asks of its system: no core dumps, and as many open files as it may have.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Forbids core dumps of this process, and that other processes of its user look into it.
///
/// Where the system does not let it, that is logged: an operator may have forbidden them already.
pub fn forbid_core_dumps() {
    let limit = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, limit);
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(hidden) {
        tracing::warn!(%error, "core dumps cannot be forbidden; they would hold keys");
    }
}

/// Takes as many open files as the system lets it: connections must not take them from the ledger.
pub fn take_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
