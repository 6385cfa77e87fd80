//! Where spans go.

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::traces::{self, ARE_BUILT, Endpoint, SERVICE};

/// Where spans go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Send a span of each request, and of each attempt, to this collector of OpenTelemetry: `http://HOST:PORT`.
    #[arg(long, value_name = "URL")]
    pub traces_endpoint: Option<Endpoint>,

    /// How the collector is spoken to.
    #[arg(long, value_name = "PROTOCOL", value_enum, requires = "traces_endpoint", default_value_t)]
    pub traces_protocol: Protocol,

    /// The share of the traces that begin here that is kept, from 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "traces_endpoint", default_value = "1")]
    pub traces_sample: f64,

    /// The name of the service, in each span.
    #[arg(long, value_name = "NAME", value_parser = service, requires = "traces_endpoint", default_value = SERVICE)]
    pub traces_service: String,
}

impl TraceArgs {
    /// Where spans go, if anywhere.
    ///
    /// # Errors
    ///
    /// A program that was built without them, and a path where none is meant.
    pub fn settings(&self) -> Result<Option<traces::Settings>, Error> {
        let Some(endpoint) = self.traces_endpoint.clone() else { return Ok(None) };
        let protocol = self.traces_protocol.into();
        if !ARE_BUILT || protocol == traces::Protocol::Grpc && endpoint.has_path() {
            return Err(if ARE_BUILT { Error::TracesPath } else { Error::NoTraces });
        }
        let (sample, service) = (self.traces_sample, self.traces_service.clone());
        Ok(Some(traces::Settings { endpoint, protocol, sample, service }))
    }
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Protocol {
    /// OTLP over gRPC, as a rule on port 4317.
    #[default]
    Grpc,
    /// OTLP over HTTP, in protobuf, as a rule on port 4318.
    Http,
}

impl From<Protocol> for traces::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc,
            Protocol::Http => Self::Http,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share from 0 to 1 is expected, such as 0.1".to_owned())
}

fn service(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty();
    is_name.then(|| text.to_owned()).ok_or_else(|| "a name is expected, such as edge".to_owned())
}
