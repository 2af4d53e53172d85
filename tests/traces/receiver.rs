//! The receiver of traces: a process of `receiver.py`, and what it was sent.

use claviger_tests::installed;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A span as it was received. Ids are in base64, as protobuf's JSON has bytes.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) service: String,
}

/// A running receiver; it ends when dropped.
pub(crate) struct Receiver {
    /// Where it takes OTLP.
    pub(crate) endpoint: String,
    lines: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/traces/receiver.py");
        let mut child = Command::new(installed("tools/otlp/bin/python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("python runs");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut output = BufReader::new(stdout).lines();
        let port = output.next_line().await.expect("it can be read").expect("it says its port");
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let sink = lines.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let line = serde_json::from_str(&line).expect("a line is JSON");
                sink.lock().expect("nobody panics with it").push(line);
            }
        });
        Self { endpoint: format!("http://127.0.0.1:{port}"), lines, _child: child }
    }

    /// All that was received, as text.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().expect("nobody panics with it");
        lines.iter().map(Value::to_string).collect()
    }

    /// The spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let lines = self.lines.lock().expect("nobody panics with it");
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let mut spans = Vec::new();
        for of in lines.iter().flat_map(|line| list(line, "resourceSpans")) {
            let resource = attributes(&of["resource"]);
            for span in list(&of, "scopeSpans").iter().flat_map(|scope| list(scope, "spans")) {
                spans.push(read(&span, resource["service.name"].clone()));
            }
        }
        spans
    }
}

fn read(span: &Value, service: String) -> Span {
    let text = |name: &str| span[name].as_str().map(str::to_owned);
    Span {
        name: text("name").expect("a span has a name"),
        trace: text("traceId").expect("a span has a trace"),
        id: text("spanId").expect("a span has an id"),
        parent: text("parentSpanId").filter(|parent| !parent.is_empty()),
        attributes: attributes(span),
        service,
    }
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let all = of["attributes"].as_array().cloned().unwrap_or_default();
    let read = |attribute: Value| {
        let value = attribute["value"].as_object().and_then(|value| value.values().next().cloned());
        let value = value.unwrap_or_default();
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (attribute["key"].as_str().unwrap_or_default().to_owned(), text)
    };
    all.into_iter().map(read).collect()
}
