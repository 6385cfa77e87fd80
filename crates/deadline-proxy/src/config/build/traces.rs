//! Where spans go.

use super::Context;
use crate::config::file::{self, File};
use crate::config::path::Path;
use crate::config::value::{Share, Text};
use crate::traces::{ARE_BUILT, Protocol, Settings};

pub(super) fn settings(file: &File, context: Context<'_>) -> Option<Settings> {
    let (table, path) = (file.traces.get()?, Path::Root.key("traces"));
    if !ARE_BUILT {
        context
            .complaints
            .key(&path, "this program was built without traces; expected one with the feature otlp");
    }
    let Some(Text(endpoint)) = table.endpoint.get() else {
        if !context.is_wrong(&table.endpoint, &path.key("endpoint")) {
            let message = "nobody takes the spans; expected the URL of a collector, such as \"http://127.0.0.1:4317\"";
            context.complaints.missing(&path, "endpoint", message);
        }
        return None;
    };
    let base = Settings::new(endpoint.0.clone());
    let protocol = match table.protocol.get() {
        None | Some(file::Protocol::Grpc) => Protocol::Grpc,
        Some(file::Protocol::Http) => Protocol::Http,
    };
    if protocol == Protocol::Grpc && base.endpoint.has_path() {
        let message = "a path means nothing to gRPC; expected http://HOST[:PORT], or protocol = \"http\"";
        context.complaints.value(&path.key("endpoint"), message);
    }
    let service = table.service.get().cloned().unwrap_or_else(|| base.service.clone());
    if service.is_empty() {
        context.complaints.value(&path.key("service"), "is empty; expected a name such as \"edge\"");
    }
    let sample = table.sample.get().map_or(base.sample, |Share(share)| *share);
    Some(Settings { protocol, sample, service, ..base })
}
