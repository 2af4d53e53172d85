//! No frame gives an edge a pre-shared key or a key of the cluster, but what a device is being given,
//! inside the records of its session; and no line of a log has a secret in any form.

use crate::secrets;
use claviger_front::ToEdge;

/// What must not be seen.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// From now on this is looked for.
    pub(crate) fn keep(&mut self, secret: &[u8]) {
        self.0.push(secret.to_vec());
    }

    /// A frame for an edge.
    pub(crate) fn in_frame(&self, said: &ToEdge, bytes: &[u8]) -> Option<String> {
        let found = self.0.iter().any(|secret| secrets::find(bytes, secret));
        found.then(|| format!("a secret stands in a frame: {said:?}"))
    }

    /// Whether a secret stands in this text.
    pub(crate) fn in_text(&self, text: &str) -> Option<String> {
        let mut forms = self.0.iter().flat_map(|secret| secrets::forms(secret));
        let found = forms.any(|form| secrets::find(text.as_bytes(), &form));
        found.then(|| "a secret stands in the log".to_owned())
    }
}
