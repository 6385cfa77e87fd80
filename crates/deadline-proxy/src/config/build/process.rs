//! What concerns the process as a whole.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::Context;
use crate::access::{self, Format, What};
use crate::attempt::Budget;
use crate::config::file::{self, File, LineFormat, Requests};
use crate::config::path::Path;
use crate::config::value::{Limit, OrOff, Share, Text};
use crate::forward::{self, Fields, ReceiveLayer};
use crate::limits::{self, Rate};
use crate::worker::cores;

const ROOT: Path<'static> = Path::Root;

/// How long a stop waits.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The share of requests that have a line.
const SAMPLE: f64 = 0.01;

pub(super) fn admin(file: &File) -> SocketAddr {
    file.admin.get().map_or(SocketAddr::from(([127, 0, 0, 1], 9901)), |Text(admin)| *admin)
}

pub(super) fn workers(file: &File) -> NonZeroUsize {
    file.workers.get().and_then(|workers| NonZeroUsize::new(workers.size())).unwrap_or_else(cores)
}

pub(super) fn drain_limit(file: &File) -> Duration {
    Limit::of(&file.drain_timeout, DRAIN_LIMIT)
}

pub(super) fn forwarding(file: &File, hop: &str, context: Context<'_>) -> forward::Settings {
    let base = forward::Settings::default();
    let Some(table) = file.forwarding.get() else {
        return named(base, hop, context);
    };
    let fields = table.forwarded.get().map(|fields| match fields {
        file::Fields::XForwarded => Fields::XForwarded,
        file::Fields::Forwarded => Fields::Forwarded,
        file::Fields::Both => Fields::Both,
        file::Fields::Off => Fields::Off,
    });
    let settings = forward::Settings {
        trust: table
            .trust
            .get()
            .map(|trust| trust.iter().map(|(_, peers)| peers.clone()).collect())
            .unwrap_or_default(),
        fields: fields.unwrap_or(base.fields),
        via: table.via.get().cloned(),
        request_id: table.request_id.get().copied().unwrap_or(base.request_id),
        request_start: table.request_start.get().copied().unwrap_or(base.request_start),
    };
    named(settings, hop, context)
}

/// With a name that can stand in `Via`.
fn named(settings: forward::Settings, hop: &str, context: Context<'_>) -> forward::Settings {
    if ReceiveLayer::new(&settings, hop).is_err() {
        let forwarding = ROOT.key("forwarding");
        let path = if settings.via.is_some() { forwarding.key("via") } else { ROOT.key("hop") };
        let name = settings.via.as_deref().unwrap_or(hop);
        let message = format!("{name:?} is no token; expected letters, digits and !#$%&'*+-.^_`|~, such as \"edge-1\"");
        context.complaints.value(&path, message);
    }
    settings
}

pub(super) fn limits(file: &File, context: Context<'_>) -> limits::Settings {
    let base = limits::Settings::default();
    let Some(table) = file.limits.get() else { return base };
    let body_rate = table
        .min_body_rate
        .get()
        .map(|OrOff(rate)| rate.map(|bytes| Rate { bytes: bytes.get(), ..Rate::default() }));
    let settings = limits::Settings {
        head_count: table.max_headers.get().map_or(base.head_count, |most| most.size()),
        head_bytes: table.max_header_bytes.get().map_or(base.head_bytes, |most| most.size()),
        head_limit: Limit::of(&table.idle_timeout, base.head_limit),
        started_head_limit: Limit::of(&table.head_timeout, base.started_head_limit),
        body_rate: body_rate.unwrap_or(base.body_rate),
        connections: table.max_connections.get().map_or(base.connections, |most| most.size()),
        streams: table.max_streams.get().map_or(base.streams, |most| most.get()),
        in_flight: table.max_in_flight.get().map(|most| most.size()),
        write_stall: Limit::of(&table.write_timeout, base.write_stall),
    };
    for error in settings.wrong() {
        let key = match error.name() {
            "head_count" => "max_headers",
            "head_bytes" => "max_header_bytes",
            "streams" => "max_streams",
            other => other,
        };
        context.complaints.value(&ROOT.key("limits").key(key), error.told());
    }
    settings
}

pub(super) fn access(file: &File, context: Context<'_>) -> access::Settings {
    let Some(table) = file.access_log.get() else { return access::Settings::default() };
    let path = ROOT.key("access_log");
    if table.requests.get().is_none() {
        let message = "nothing is written while this is \"off\", as it is by default; expected \"sampled\" or \"full\"";
        context.complaints.missing(&path, "requests", message);
    } else if table.sample.get().is_some() && table.requests.get() != Some(&Requests::Sampled) {
        context
            .complaints
            .key(&path.key("sample"), "means nothing here; expected requests = \"sampled\" beside it");
    }
    let what = match table.requests.get() {
        None | Some(Requests::Off) => What::Off,
        Some(Requests::Sampled) => What::Sampled(table.sample.get().map_or(SAMPLE, |Share(share)| *share)),
        Some(Requests::Full) => What::Full,
    };
    let format = match table.format.get() {
        None | Some(LineFormat::Text) => Format::Text,
        Some(LineFormat::Json) => Format::Json,
    };
    let output = table.output.get().map(|Text(output)| output.0.clone()).unwrap_or_default();
    access::Settings { what, format, output }
}

pub(super) fn expired(file: &File) -> usize {
    file.expired.get().map_or(access::MOST, |most| most.size())
}

pub(super) fn retry_budget(file: &File) -> Budget {
    let base = Budget::default();
    let Some(table) = file.retry_budget.get() else { return base };
    Budget {
        ratio: table.ratio.get().map_or(base.ratio, |Share(ratio)| *ratio),
        min_per_second: table.min_per_second.get().map_or(base.min_per_second, |least| least.get()),
    }
}
