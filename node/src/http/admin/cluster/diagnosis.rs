//! What is wrong with a cluster, and what to do, in words.

use claviger_api::{ClusterEdge, ClusterNode};
use std::collections::BTreeSet;

/// How many entries a node may lack before it is said that it lags.
const BEHIND: u64 = 10_000;
/// How long an edge may be silent, in ms: it says something every two seconds.
const SILENT: u64 = 10_000;

/// All of it, the worst first.
pub(super) fn problems(
    nodes: &[ClusterNode],
    edges: &[ClusterEdge],
    led: bool,
    changing: bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    if !led {
        problems.push(
            "No node leads, so nothing can be written and no device is served: more than half of \
             the voters must run, be unsealed, and reach each other over UDP. Start those that \
             are silent."
                .to_owned(),
        );
    }
    nodes.iter().for_each(|node| problems.extend(of_node(node)));
    problems.extend(of_voters(nodes));
    let versions: BTreeSet<_> = nodes.iter().filter_map(|node| node.version.as_ref()).collect();
    if versions.len() > 1 {
        problems.push(
            "The nodes run different versions: an upgrade is under way. Finish it; what only the \
             newest knows is off until then."
                .to_owned(),
        );
    }
    if changing {
        problems.push(
            "A change of voters is under way; it ends when both old and new ones agree.".to_owned(),
        );
    }
    if led && edges.is_empty() {
        problems.push(
            "No edge is connected to the leader, so no device can come: start one, or see whether \
             edges reach the leader over UDP."
                .to_owned(),
        );
    }
    for edge in edges.iter().filter(|edge| edge.last_contact > SILENT) {
        problems.push(format!(
            "Edge {} at {} has said nothing for {} s: look at its process and the network.",
            edge.id,
            edge.address,
            edge.last_contact / 1000
        ));
    }
    let is_mute = |edge: &&ClusterEdge| edge.report.is_some_and(|said| !said.serves);
    for edge in edges.iter().filter(is_mute) {
        problems.push(format!(
            "Edge {} at {} lacks the keys of now and answers no device: it gets them from the leader \
             within a second, unless its queue or the network is too slow.",
            edge.id, edge.address
        ));
    }
    problems
}

fn of_node(node: &ClusterNode) -> Vec<String> {
    let ClusterNode { id, address, .. } = node;
    if let Some(why) = &node.silent {
        return vec![format!(
            "Node {id} at {address} does not answer ({why}): start it, or see whether its UDP port \
             can be reached. If it is lost for good, join another one and remove it."
        )];
    }
    let mut problems = Vec::new();
    if node.sealed == Some(true) {
        problems.push(format!(
            "Node {id} is sealed, so it can vote and not lead: give it the key that this cluster is \
             sealed with; its log says which it lacks."
        ));
    }
    if node.short_of_space == Some(true) {
        problems.push(format!(
            "Node {id} is short of space: make room on the disk of its data folder."
        ));
    }
    if let Some(behind) = node.behind.filter(|behind| *behind > BEHIND) {
        problems.push(format!(
            "Node {id} is {behind} entries behind: it catches up by itself unless its disk or the \
             network is too slow."
        ));
    }
    problems
}

/// How much the cluster bears.
fn of_voters(nodes: &[ClusterNode]) -> Option<String> {
    let voters = nodes.iter().filter(|node| node.votes);
    let answering = voters.clone().filter(|node| node.silent.is_none()).count();
    let voters = voters.count();
    let needed = voters / 2 + 1;
    if voters > 1 && voters.is_multiple_of(2) {
        return Some(format!(
            "{voters} nodes vote: an even number bears no more failures than one fewer. Have an \
             odd number."
        ));
    }
    if voters > 1 && answering == needed {
        return Some(format!(
            "{answering} of {voters} voters answer, and {needed} are needed: if one more fails, \
             nothing can be written."
        ));
    }
    let learners = nodes.len() - voters;
    (voters == 1 && learners > 1).then(|| {
        "One node votes, and others only learn: promote two of them, so that the cluster bears \
         the loss of one."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::{EdgeReport, Timestamp};

    fn node(id: u8) -> ClusterNode {
        ClusterNode {
            id: format!("{id:016x}"),
            address: "a:1".to_owned(),
            votes: true,
            leads: id == 1,
            silent: None,
            version: Some("0.1.0".to_owned()),
            knows_level: Some(1),
            holds_level: None,
            sealed: Some(false),
            applied: Some(9),
            behind: Some(0),
            last_contact: Some(3),
            free: Some(1 << 30),
            short_of_space: Some(false),
        }
    }

    fn edge() -> ClusterEdge {
        ClusterEdge {
            id: "e".to_owned(),
            node: "n".to_owned(),
            address: "a:2".to_owned(),
            listener: "coaps".to_owned(),
            realm: "default".to_owned(),
            version: "0.1.0".to_owned(),
            since: Timestamp(0),
            last_contact: 100,
            report: None,
        }
    }

    #[test]
    fn of_a_cluster_that_is_well_nothing_is_said() {
        for voters in [1, 3, 5] {
            let nodes: Vec<_> = (1..=voters).map(node).collect();
            assert_eq!(problems(&nodes, &[edge()], true, false), Vec::<String>::new());
        }
        let learner = ClusterNode { votes: false, ..node(2) };
        assert_eq!(problems(&[node(1), learner], &[edge()], true, false), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_wrong_is_said_with_what_to_do() {
        let three = |third| vec![node(1), node(2), third];
        let silent = ClusterNode { silent: Some("no way".to_owned()), ..node(3) };
        let learner = |id| ClusterNode { votes: false, ..node(id) };
        let table = [
            (three(silent.clone()), "does not answer (no way): start it"),
            (three(silent), "2 of 3 voters answer, and 2 are needed"),
            (three(ClusterNode { sealed: Some(true), ..node(3) }), "is sealed"),
            (three(ClusterNode { short_of_space: Some(true), ..node(3) }), "make room"),
            (three(ClusterNode { behind: Some(20_000), ..node(3) }), "20000 entries behind"),
            (three(ClusterNode { version: Some("9".to_owned()), ..node(3) }), "an upgrade"),
            (vec![node(1), node(2)], "2 nodes vote: an even number"),
            (vec![node(1), learner(2), learner(3)], "promote two of them"),
        ];
        for (nodes, words) in table {
            let said = problems(&nodes, &[edge()], true, false).join("\n");
            assert!(said.contains(words), "{words}: {said}");
        }
        let nodes = three(node(3));
        assert!(problems(&nodes, &[], false, false)[0].starts_with("No node leads"));
        assert!(problems(&nodes, &[], true, false)[0].starts_with("No edge is connected"));
        assert!(problems(&nodes, &[edge()], true, true)[0].contains("is under way"));
        let report = EdgeReport {
            sessions: 0,
            handshakes: 0,
            established: 0,
            failed: 0,
            serves: false,
            draining: false,
        };
        let mute = ClusterEdge { report: Some(report), ..edge() };
        assert!(problems(&nodes, &[mute], true, false)[0].contains("lacks the keys of now"));
        let silent = ClusterEdge { last_contact: 60_000, ..edge() };
        assert!(problems(&nodes, &[silent], true, false)[0].contains("nothing for 60 s"));
    }
}
