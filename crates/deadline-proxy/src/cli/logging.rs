//! What is written of requests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::access::{self, Format, Output, SAMPLE, What};
use crate::error::Error;

/// What is written of requests.
#[derive(Args, Debug)]
#[command(next_help_heading = "Access log")]
pub struct LogArgs {
    /// Write one line for each of these requests.
    #[arg(long, value_name = "REQUESTS", value_enum, default_value_t)]
    pub access_log: Logged,

    /// The share of requests that --access-log sampled writes, beside all that failed. [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "access_log")]
    pub access_log_sample: Option<f64>,

    /// The form of a line.
    #[arg(long, value_name = "FORMAT", value_enum, requires = "access_log", default_value_t)]
    pub access_log_format: LogFormat,

    /// Where lines go: stdout, stderr or /PATH, a file that they are appended to.
    #[arg(long, value_name = "OUTPUT", value_parser = output, requires = "access_log", default_value = "stdout")]
    pub access_log_output: Output,
}

impl LogArgs {
    /// What is written, and where to.
    ///
    /// # Errors
    ///
    /// A share of requests where none is meant.
    pub fn settings(&self) -> Result<access::Settings, Error> {
        let what = match (self.access_log, self.access_log_sample) {
            (Logged::Sampled, share) => What::Sampled(share.unwrap_or(SAMPLE)),
            (_, Some(_)) => return Err(Error::Sample),
            (Logged::Off, None) => What::Off,
            (Logged::Full, None) => What::Full,
        };
        let (format, output) = (self.access_log_format.into(), self.access_log_output.clone());
        Ok(access::Settings { what, format, output })
    }
}

/// Which requests have a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Logged {
    /// None.
    #[default]
    Off,
    /// A share of them, and each that failed.
    Sampled,
    /// Each.
    Full,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// key=value, for people and grep.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "a share above 0, and 1 at most, is expected, such as 0.01".to_owned())
}

fn output(text: &str) -> Result<Output, String> {
    match text {
        "stdout" => Ok(Output::Stdout),
        "stderr" => Ok(Output::Stderr),
        path if path.starts_with('/') => Ok(Output::File(PathBuf::from(path))),
        _ => Err("stdout, stderr or /PATH is expected".to_owned()),
    }
}
