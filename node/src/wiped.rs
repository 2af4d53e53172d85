//! Buffers for what has secrets in it.

use reqwest::Response;
use zeroize::Zeroizing;

/// The least room that is taken.
const ROOM: usize = 64 * 1024;

/// Appends `bytes`. Where the room grows, what lay there is wiped, which a `Vec` by itself does not
/// do.
pub fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let wanted = buffer.len() + bytes.len();
    if wanted > buffer.capacity() {
        let room = wanted.max(2 * buffer.capacity()).max(ROOM);
        let mut larger = Zeroizing::new(Vec::with_capacity(room));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

/// The body of `answer`; none if it has more than `most` bytes.
///
/// # Errors
/// If it does not arrive whole.
pub async fn body(
    mut answer: Response,
    most: usize,
) -> reqwest::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > most {
            return Ok(None);
        }
        append(&mut body, &piece);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_kept_in_its_order() {
        let mut buffer = Zeroizing::new(Vec::new());
        let piece = [[1; 1000], [2; 1000]].concat();
        for _ in 0..100 {
            append(&mut buffer, &piece);
        }
        assert_eq!(*buffer, piece.repeat(100));
    }
}
