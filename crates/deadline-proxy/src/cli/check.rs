//! Which file to look at.

use std::path::PathBuf;

use clap::Args;

/// Which file to look at.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The file to look at.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}
