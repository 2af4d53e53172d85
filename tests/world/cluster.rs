//! Whole clusters by seed: what goes wrong, what devices do and what the operator wants follow from
//! it, and all that must hold is looked at in each step and at rest.

use claviger_raft::seed_this_thread;
use claviger_tests::{ClusterConfig, SimCluster, system};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long things go wrong in a run.
const COURSE: Duration = Duration::from_secs(8);
/// How far clocks are apart at most: for so long an edge makes handshakes that seem to be from before a
/// new incarnation, and those open nothing.
const APART: Duration = Duration::from_secs(60);
/// How long a session must be silent at most until edges let it go.
const SILENCE: Duration = Duration::from_secs(483);
/// How many seeds CI goes through, and a long run.
const SEEDS: (u64, u64) = (1_000, 100_000);
/// The same where each falls silent.
const SILENT_SEEDS: (u64, u64) = (3, 300);

/// How many of these this run goes through.
fn seeds((few, many): (u64, u64)) -> u64 {
    if std::env::var_os("CLAVIGER_LONG").is_some() { many } else { few }
}

fn names(devices: u64) -> Vec<String> {
    (0..devices).map(|number| format!("urn:dev:{number}")).collect()
}

/// One run; gives what does not hold, and the log.
pub(crate) fn run(config: ClusterConfig) -> (Vec<String>, Vec<String>) {
    played(config, async |cluster, names| {
        // When things go wrong while devices and the operator go on
        course(cluster, names).await;
        if cluster.draw(6) == 0 && cluster.restore().await {
            course(cluster, names).await;
            cluster.run_for(APART).await;
        }

        // Then all holds, and everybody is served when all is well again
        if cluster.breaches.is_empty() {
            cluster.rest().await;
            cluster.serve_all(names).await;
            cluster.rest().await;
        }
    })
}

/// A run in which nothing goes wrong but that strangers come, when all devices are served.
pub(crate) fn besieged(config: ClusterConfig) -> (Vec<String>, Vec<String>) {
    played(config, async |cluster, names| {
        cluster.serve_all(names).await;
        cluster.rest().await;

        cluster.strangers().await;
    })
}

/// A run in which nothing goes wrong but that answers are lost, so that requests come again late.
pub(crate) fn unheard(config: ClusterConfig) -> (Vec<String>, Vec<String>) {
    played(config, async |cluster, names| {
        cluster.serve_all(names).await;

        cluster.ask_in_vain().await;
    })
}

/// A run in which nobody says anything for so long that actors sleep and edges let sessions go, and
/// then things go wrong.
fn silent(config: ClusterConfig) -> (Vec<String>, Vec<String>) {
    played(config, async |cluster, names| {
        cluster.serve_all(names).await;
        cluster.run_for(SILENCE).await;
        cluster.nothing_is_held();
        course(cluster, names).await;

        if cluster.breaches.is_empty() {
            cluster.rest().await;
            cluster.run_for(SILENCE).await;
            cluster.serve_all(names).await;
            cluster.rest().await;
        }
    })
}

/// What a cluster with some devices comes to.
fn played(
    config: ClusterConfig,
    play: impl AsyncFnOnce(&mut SimCluster, &[String]),
) -> (Vec<String>, Vec<String>) {
    let run = || {
        let _seeded = seed_this_thread(config.seed);
        system(async {
            let mut cluster = SimCluster::start(config).await;
            let names = names(4);
            cluster.enrol_all(&names).await;
            play(&mut cluster, &names).await;
            if cluster.breaches.is_empty() {
                cluster.look_at_all();
            }
            cluster.end().await
        })
    };
    // Where the world itself cannot go on, its seed is told all the same.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        (vec![words.unwrap_or_else(|| "the world panicked".to_owned())], Vec::new())
    })
}

async fn course(cluster: &mut SimCluster, names: &[String]) {
    let end = cluster.clock.elapsed_ms() + COURSE.as_millis();
    while cluster.clock.elapsed_ms() < end && cluster.breaches.is_empty() {
        match cluster.draw(40) {
            0..=15 => cluster.something_of_devices(names),
            16..=27 => cluster.something_of_the_operator(names),
            28..=35 => {
                let fault = cluster.draw_fault();
                cluster.strike(fault);
            }
            36..=38 => cluster.heal().await,
            _ => cluster.back_up().await,
        }
        let pause = cluster.draw(300);
        cluster.run_for(Duration::from_millis(pause)).await;
    }
}

/// A cluster whose size follows from the seed.
pub(crate) fn sized(seed: u64) -> ClusterConfig {
    let nodes = if seed % 5 == 4 { 5 } else { 3 };
    ClusterConfig::new(seed, nodes, 1 + usize::try_from(seed % 3).unwrap_or(0))
}

#[test]
fn strangers_change_nothing() {
    for seed in 0..10 {
        let (breaches, log) = besieged(sized(seed));
        assert!(breaches.is_empty(), "seed {seed}: {breaches:#?}\n{}", log.join("\n"));
    }
}

#[test]
fn what_comes_again_when_all_is_done_acts_once() {
    for seed in 0..10 {
        let (breaches, log) = unheard(sized(seed));
        assert!(breaches.is_empty(), "seed {seed}: {breaches:#?}\n{}", log.join("\n"));
    }
}

#[test]
fn sessions_that_rest_are_as_good_as_others() {
    for seed in 0..seeds(SILENT_SEEDS) {
        let (breaches, log) = silent(sized(seed));
        assert!(breaches.is_empty(), "seed {seed}: {breaches:#?}\n{}", log.join("\n"));
    }
}

/// The breaches of a run, in words that say how to see it again; none if it is sound.
fn fails(seed: u64) -> Option<String> {
    let (breaches, log) = run(sized(seed));
    let log = log[log.len().saturating_sub(400)..].join("\n");
    let again = format!(
        "CLAVIGER_SEED={seed} cargo test --workspace --test world a_seed_again -- --nocapture"
    );
    (!breaches.is_empty())
        .then(|| format!("seed {seed}: {breaches:#?}\nSee it again: {again}\n{log}"))
}

/// The first of these seeds whose run fails, with its words. All processors take part.
pub(crate) fn first_failure(
    seeds: u64,
    fails: impl Fn(u64) -> Option<String> + Sync,
) -> Option<String> {
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let over = failure.lock().expect("nobody panics with it").is_some();
                    if seed >= seeds || over {
                        return;
                    }
                    if let Some(words) = fails(seed) {
                        *failure.lock().expect("nobody panics with it") = Some(words);
                    }
                }
            });
        }
    });
    failure.into_inner().expect("nobody panics with it")
}

#[test]
fn whatever_goes_wrong_all_that_must_hold_holds() {
    let failure = first_failure(seeds(SEEDS), fails);
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
}

/// Runs the seed in `CLAVIGER_SEED` and prints all that happens, step by step; nothing without it.
#[test]
fn a_seed_again() {
    let Some(seed) = std::env::var("CLAVIGER_SEED").ok().and_then(|seed| seed.parse().ok()) else {
        return;
    };
    let (breaches, _) = run(ClusterConfig { shown: true, ..sized(seed) });
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn two_runs_of_a_cluster_from_one_seed_are_the_same() {
    for seed in [1, 2, 4] {
        let (one, other) = (run(sized(seed)).1, run(sized(seed)).1);
        let differ = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!(differ.map(|place| &one[place]), None, "seed {seed}, line {differ:?}");
        assert_eq!(one.len(), other.len());
    }
}
