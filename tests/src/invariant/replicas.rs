//! All replicas at one index are byte-identical.

pub(crate) type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Compares what nodes hold, each with the index up to which it is applied.
pub(crate) fn differ(nodes: &[(u64, Rows)]) -> Option<String> {
    let (index, rows) = nodes.first()?;
    for (place, (other, theirs)) in nodes.iter().enumerate().skip(1) {
        if other != index {
            return Some(format!("node {place} has applied {other}, node 0 {index}"));
        }
        let apart = rows.iter().zip(theirs).position(|(one, other)| one != other);
        if apart.is_some() || rows.len() != theirs.len() {
            return Some(format!("at index {index} node {place} differs from node 0"));
        }
    }
    None
}
