//! What the environment says about traces.
//!
//! Of OpenTelemetry's variables those that decide here are read here; the rest (endpoint, headers,
//! time-outs, resource attributes, sizes of batches) its SDK reads itself.

use claviger_edge::Sampling;
use opentelemetry_sdk::trace::Sampler;

/// Which traces are exported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Export {
    /// The share of traces that begin here.
    pub(super) ratio: f64,
    /// Whether a caller's decision goes before it.
    pub(super) parent_based: bool,
    /// How many spans may wait to be sent.
    pub(super) queue: usize,
    /// What the service is called, unless the environment says it.
    pub(super) service_name: Option<&'static str>,
}

/// Looks a variable up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Export {
    /// Reads the environment; what is not understood goes to `warnings`, in words for the log.
    pub(super) fn read(lookup: Lookup<'_>, warnings: &mut Vec<String>) -> Option<Self> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let of_traces = |what: &str| {
            let special = set(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
            special.or_else(|| set(&format!("OTEL_EXPORTER_OTLP_{what}")))
        };
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|is| is.eq_ignore_ascii_case("true"));
        let exporter = set("OTEL_TRACES_EXPORTER");
        if disabled || exporter.is_some_and(|exporter| exporter != "otlp") {
            return None;
        }
        of_traces("ENDPOINT")?;
        if let Some(protocol) = of_traces("PROTOCOL").filter(|is| is != "http/protobuf") {
            warnings.push(format!(
                "traces are not exported: OTEL_EXPORTER_OTLP_PROTOCOL is \"{protocol}\", and only \
                 http/protobuf is spoken; it is usually port 4318 of the collector"
            ));
            return None;
        }
        let (ratio, parent_based) = sampler(&set, warnings);
        let queue = set("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|size| size.parse().ok());
        let named = set("OTEL_SERVICE_NAME").is_some()
            || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
        let service_name = if named { None } else { Some("claviger") };
        Some(Self { ratio, parent_based, queue: queue.unwrap_or(2048), service_name })
    }

    /// The same choice, as an edge makes it of handshakes.
    pub(super) fn sampling(&self) -> Sampling {
        Sampling::ratio(self.ratio)
    }

    /// The same choice, as the SDK makes it of spans.
    pub(super) fn sampler(&self) -> Sampler {
        let root = Sampler::TraceIdRatioBased(self.ratio);
        if self.parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
    }
}

/// The sampler's ratio, and whether a caller's decision goes before it.
fn sampler(set: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> (f64, bool) {
    let name = set("OTEL_TRACES_SAMPLER");
    let name = name.as_deref().unwrap_or("parentbased_always_on");
    let parent_based = name.starts_with("parentbased_");
    let ratio = match name.trim_start_matches("parentbased_") {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let given = set("OTEL_TRACES_SAMPLER_ARG").unwrap_or_else(|| "1".to_owned());
            match given.parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
                _ => {
                    let words = "is not a number from 0 to 1; every trace is exported";
                    warnings.push(format!("OTEL_TRACES_SAMPLER_ARG is \"{given}\", which {words}"));
                    1.0
                }
            }
        }
        _ => {
            let words = "is not known here; every trace is exported";
            warnings.push(format!("OTEL_TRACES_SAMPLER is \"{name}\", which {words}"));
            return (1.0, true);
        }
    };
    (ratio, parent_based)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    fn read(variables: &[(&str, &str)]) -> (Option<Export>, Vec<String>) {
        let mut warnings = Vec::new();
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        (Export::read(&lookup, &mut warnings), warnings)
    }

    fn export(more: &[(&str, &str)]) -> (Option<Export>, Vec<String>) {
        read(&[&[ENDPOINT], more].concat())
    }

    #[test]
    fn nothing_is_exported_without_an_endpoint() {
        assert_eq!(read(&[]).0, None);
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).0, None);
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(export(&[off]), (None, Vec::new()));
        }
    }

    #[test]
    fn an_endpoint_alone_exports_everything_as_claviger() {
        let (export, warnings) = export(&[]);
        let everything =
            Export { ratio: 1.0, parent_based: true, queue: 2048, service_name: Some("claviger") };
        assert_eq!((export, warnings), (Some(everything), Vec::new()));
    }

    #[test]
    fn samplers_are_read_by_their_standard_names() {
        for (name, arg, expected) in [
            ("always_on", "", (1.0, false)),
            ("always_off", "", (0.0, false)),
            ("traceidratio", "0.25", (0.25, false)),
            ("parentbased_always_off", "", (0.0, true)),
            ("parentbased_traceidratio", "0.05", (0.05, true)),
        ] {
            let sampler = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)];
            let (export, warnings) = export(&sampler);
            let export = export.unwrap();
            assert_eq!((export.ratio, export.parent_based), expected, "{name}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }

    #[test]
    fn the_sdk_and_an_edge_choose_the_same_traces() {
        use opentelemetry::trace::{SpanKind, TraceId};
        use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};
        let (export, _) =
            export(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.3")]);
        let export = export.unwrap();
        for n in 0..512_u128 {
            let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834).to_be_bytes();
            let trace = TraceId::from_bytes(id);
            let result =
                export.sampler().should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
            let sampled = result.decision == SamplingDecision::RecordAndSample;
            assert_eq!(export.sampling().takes(&id), sampled, "{trace}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let (exported, warnings) = export(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(exported.is_none() && warnings[0].contains("http/protobuf"), "{warnings:?}");
        let (exported, warnings) = export(&[("OTEL_TRACES_SAMPLER", "jaeger_remote")]);
        assert!(exported.is_some() && warnings[0].contains("jaeger_remote"), "{warnings:?}");
    }
}
