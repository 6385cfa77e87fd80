//! What is said to the upstream about who asked.

use clap::{Args, ValueEnum};

use crate::forward::{self, Fields};
use crate::peers::Peers;

/// What is said about who asked.
#[derive(Args, Debug)]
#[command(next_help_heading = "Forwarding")]
pub struct ForwardArgs {
    /// Peers whose word about who asked is kept: networks, addresses, `unix`. Of all others it is removed.
    #[arg(long, value_name = "PEERS")]
    pub trust: Option<Peers>,

    /// The fields that tell the upstream who asked.
    #[arg(long, value_name = "FIELDS", value_enum, default_value_t)]
    pub forwarded: ForwardedFields,

    /// The name in Via. [default: the name of the hop]
    #[arg(long, value_name = "NAME")]
    pub via: Option<String>,

    /// Leave X-Request-Id alone, in place of making one where there is none.
    #[arg(long)]
    pub no_request_id: bool,

    /// Write X-Request-Start, for upstreams that count queue time.
    #[arg(long)]
    pub request_start: bool,
}

impl ForwardArgs {
    /// What is said about who asked.
    #[must_use]
    pub fn settings(&self) -> forward::Settings {
        forward::Settings {
            trust: self.trust.clone().unwrap_or_default(),
            fields: self.forwarded.into(),
            via: self.via.clone(),
            request_id: !self.no_request_id,
            request_start: self.request_start,
        }
    }
}

/// The fields that tell the upstream who asked.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ForwardedFields {
    /// X-Forwarded-For, -Proto, -Host and -Port.
    #[default]
    XForwarded,
    /// Forwarded, after RFC 7239.
    Forwarded,
    /// All of them.
    Both,
    /// None; those of a trusted peer pass as they are.
    Off,
}

impl From<ForwardedFields> for Fields {
    fn from(fields: ForwardedFields) -> Self {
        match fields {
            ForwardedFields::XForwarded => Self::XForwarded,
            ForwardedFields::Forwarded => Self::Forwarded,
            ForwardedFields::Both => Self::Both,
            ForwardedFields::Off => Self::Off,
        }
    }
}
