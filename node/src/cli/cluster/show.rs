//! A cluster's status for people.

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{facts, plain, table};
use claviger_api::{Cluster, ClusterAuthority, ClusterEdge, ClusterNode, Snapshot};

/// That something is wrong, if it is: for whoever looks at the exit code.
pub(super) fn verdict(status: &Cluster) -> Result<(), Failure> {
    match status.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Partly, "something is wrong; see above")),
        several => {
            Err(Failure::new(Exit::Partly, format!("{several} things are wrong; see above")))
        }
    }
}

/// All of it.
pub(super) fn status(status: &Cluster) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let since = status.leading_since.map(|at| format!(", since {at}")).unwrap_or_default();
    let mut text = facts(&[
        ("Cluster", status.cluster.clone()),
        ("Leader", or_none(status.leader.clone()) + &since),
        ("Term", status.term.to_string()),
        ("Level", or_none(status.level.map(|level| level.to_string() + &held(&status.nodes)))),
        ("Asked", status.asked.clone()),
        ("Authority", status.authority.as_ref().map_or_else(|| "none".to_owned(), authority)),
    ]);
    text += &format!("\n{}", nodes(&status.nodes));
    if !status.edges.is_empty() {
        text += &format!("\n{}", edges(&status.edges));
    }
    let problems = status.problems.iter().map(|problem| format!("! {}\n", plain(problem)));
    let problems: String = problems.collect();
    text +=
        &if problems.is_empty() { "\nAll is well.\n".to_owned() } else { format!("\n{problems}") };
    text
}

/// Which nodes keep the level from rising.
fn held(nodes: &[ClusterNode]) -> String {
    let holding: Vec<_> = nodes.iter().filter(|node| node.holds_level.is_some()).collect();
    match &holding[..] {
        [] => String::new(),
        [one] => format!("; held by node {} (cluster.hold_level)", one.id),
        several => format!("; held by {} nodes (cluster.hold_level)", several.len()),
    }
}

/// The authority of nodes, and how far it has taken over.
pub(super) fn authority(authority: &ClusterAuthority) -> String {
    let ClusterAuthority { since, replaces, nodes, left } = authority;
    let of = match (*replaces, *left) {
        (false, _) => String::new(),
        (true, 0) => "; the one before is about to be retired".to_owned(),
        (true, left) => format!(
            "; the one before is trusted until {left} of {nodes} nodes have a certificate of this one"
        ),
    };
    format!("since {since}{of}")
}

/// A snapshot.
pub(super) fn snapshot(made: &Snapshot) -> String {
    facts(&[
        ("Node", made.node.clone()),
        ("Index", made.index.to_string()),
        ("Rows on disk", format!("{} bytes", made.rows_bytes)),
        ("Log on disk", format!("{} bytes, {} entries", made.log_bytes, made.log_entries)),
    ])
}

fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn nodes(nodes: &[ClusterNode]) -> String {
    let row = |node: &ClusterNode| {
        let stands = match (node.leads, node.votes, node.sealed, &node.silent) {
            (.., Some(_)) => "silent",
            (.., Some(true), _) => "sealed",
            (true, ..) => "leads",
            (_, true, ..) => "follows",
            _ => "learns",
        };
        vec![
            node.id.clone(),
            node.address.clone(),
            if node.votes { "voter" } else { "learner" }.to_owned(),
            stands.to_owned(),
            known(node.version.as_ref()),
            known(node.applied),
            known(node.behind),
            known(node.last_contact.map(|ms| format!("{ms} ms"))),
            known(node.free.map(mebibytes)),
        ]
    };
    let headings =
        ["NODE", "ADDRESS", "VOTE", "STATE", "VERSION", "APPLIED", "BEHIND", "CONTACT", "FREE"];
    table(&headings, &nodes.iter().map(row).collect::<Vec<_>>())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn edges(edges: &[ClusterEdge]) -> String {
    let row = |edge: &ClusterEdge| {
        let address = if edge.address.is_empty() { "here" } else { &edge.address };
        vec![
            edge.id.clone(),
            edge.node.clone(),
            address.to_owned(),
            edge.listener.clone(),
            edge.realm.clone(),
            edge.version.clone(),
            edge.since.to_string(),
            format!("{} ms", edge.last_contact),
            known(edge.report.map(|said| match (said.serves, said.draining) {
                (false, _) => "mute",
                (true, true) => "leaves",
                (true, false) => "serves",
            })),
            known(edge.report.map(|said| said.sessions)),
            known(edge.report.map(|said| said.handshakes)),
            known(edge.report.map(|said| said.established)),
            known(edge.report.map(|said| said.failed)),
        ]
    };
    let headings = [
        "EDGE",
        "NODE",
        "FROM",
        "LISTENER",
        "REALM",
        "VERSION",
        "CONNECTED",
        "CONTACT",
        "STATE",
        "SESSIONS",
        "UNDER WAY",
        "OPENED",
        "FAILED",
    ];
    table(&headings, &edges.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::Timestamp;

    fn cluster() -> Cluster {
        let node = |id: &str, leads| ClusterNode {
            id: id.to_owned(),
            address: "n:1".to_owned(),
            votes: true,
            leads,
            silent: (!leads).then(|| "it does not answer".to_owned()),
            version: leads.then(|| "0.1.0".to_owned()),
            knows_level: None,
            holds_level: None,
            sealed: leads.then_some(false),
            applied: leads.then_some(7),
            behind: None,
            last_contact: None,
            free: leads.then_some(3 << 20),
            short_of_space: None,
        };
        Cluster {
            cluster: "ab".to_owned(),
            asked: "1".to_owned(),
            leader: Some("1".to_owned()),
            leading_since: Some(Timestamp(0)),
            term: 4,
            level: Some(1),
            authority: Some(ClusterAuthority {
                since: Timestamp(0),
                replaces: true,
                nodes: 5,
                left: 2,
            }),
            nodes: vec![node("1", true), node("2", false)],
            edges: Vec::new(),
            problems: vec!["node 2 is \u{1b}silent".to_owned()],
        }
    }

    #[test]
    fn says_who_leads_and_what_is_wrong() {
        let text = status(&cluster());

        assert!(text.contains("Leader     1, since 1970-01-01T00:00:00Z\n"), "{text}");
        let over =
            "Authority  since 1970-01-01T00:00:00Z; the one before is trusted until 2 of 5 nodes";
        assert!(text.contains(over), "{text}");
        assert!(text.contains("1     n:1      voter  leads   0.1.0    7"), "{text}");
        assert!(text.contains("2     n:1      voter  silent  -"), "{text}");
        assert!(text.ends_with("\n! node 2 is \u{fffd}silent\n"), "{text}");
        assert_eq!(verdict(&cluster()).unwrap_err().exit, Exit::Partly);
    }

    #[test]
    fn says_who_keeps_the_level_from_rising() {
        let mut cluster = cluster();
        assert!(status(&cluster).contains("Level      1\n"));
        cluster.nodes[1].holds_level = Some(1);
        let text = status(&cluster);
        assert!(text.contains("Level      1; held by node 2 (cluster.hold_level)\n"), "{text}");
        cluster.nodes[0].holds_level = Some(1);
        assert!(status(&cluster).contains("Level      1; held by 2 nodes (cluster.hold_level)\n"));
    }

    #[test]
    fn a_cluster_without_problems_is_well() {
        let well = Cluster { problems: Vec::new(), ..cluster() };
        assert!(status(&well).ends_with("\nAll is well.\n"));
        assert_eq!(verdict(&well), Ok(()));
    }
}
