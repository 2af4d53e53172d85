//! The load test's driver: devices of its own that bootstrap all the time, beside those of the test.

use crate::promises::{Promise, Promises};
use claviger_loadtest::{Api, Credential, Goal, Hooks, Kind, Load as Driven, Lwm2m, Pace, endure};
use claviger_tests::Claviger;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;

/// How many devices there are: so many that none begins as often as is put off, 60 times a minute.
const DEVICES: u32 = ROUND * 24;
/// How many are under way at once.
const AT_ONCE: u32 = 2;
/// How many begin before those under way are waited for: each device once, or a device that is slow
/// would be begun a second time, and its own other self end its session.
const ROUND: u32 = 8;

/// A load that runs until it is stopped.
pub(crate) struct Load {
    stopped: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    driver: Option<JoinHandle<Result<(), String>>>,
}

impl Load {
    /// Enrols its devices at `at`, unless they are `new` no more, and lets them come to `target`: a bootstrap fails after `patience`,
    /// and a handshake that does not end is begun again after `again`. What they were given is
    /// promised to them.
    pub(crate) fn start(
        at: &Claviger,
        target: SocketAddr,
        (patience, again): (Duration, Duration),
        promises: Promises,
        new: bool,
    ) -> Self {
        let (stopped, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (url, token) = (at.url.clone(), at.token.clone());
        let (ends, counts) = (stopped.clone(), done.clone());
        let drive = move || {
            let words = |error: &dyn ToString| error.to_string();
            // Nobody is told of its credentials; the other devices' server is.
            if new {
                let api = Api::new(&url, &token).map_err(|error| words(&error))?;
                api.prepare_pull(0..DEVICES).map_err(|error| words(&error))?;
            }
            let told = promises.clone();
            let check = move |endpoint: &str, account: &_| {
                told.made(endpoint, account, Promise::Held);
                counts.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            let kind = Kind { cid: true, version: Lwm2m::V1_1, credential: Credential::Psk };
            let (devices, count, pace) = (ROUND, ROUND, Pace::Closed(AT_ONCE));
            let goal = Goal::Bootstrap;
            for round in 0.. {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let first = round * ROUND % DEVICES;
                let load = Driven { target, first, devices, count, pace, patience, kind, goal };
                let mut hooks = Hooks { check: &check, watch: &mut |_| {} };
                let tally = endure(&load, again, &mut hooks).map_err(|error| words(&error))?;
                tally.all_succeeded().map_err(|error| words(&error))?;
                if tally.gave_up > 0 && !promises.nobody_was_served() {
                    return Err(format!("{} heard nothing, while others did", tally.gave_up));
                }
            }
            Ok(())
        };
        Self { stopped, done, driver: Some(tokio::task::spawn_blocking(drive)) }
    }

    /// How many bootstraps are done.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// True while it runs, and none has failed.
    pub(crate) fn runs(&self) -> bool {
        self.driver.as_ref().is_none_or(|driver| !driver.is_finished())
    }

    /// Lets those that are under way come to their end, which must be a good one; there is no more
    /// load then.
    pub(crate) async fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let Some(driver) = self.driver.take() else { return };
        driver.await.expect("the driver does not panic").expect("every bootstrap succeeds");
    }
}

impl Drop for Load {
    /// The runtime waits for the driver, which must not go on.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
