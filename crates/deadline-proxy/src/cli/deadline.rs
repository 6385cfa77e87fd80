//! How long requests may take.

use std::time::Duration;

use clap::Args;
use tower_deadline::Policy;

use super::value::limit;
use crate::error::Error;

/// How long requests may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Deadline")]
pub struct DeadlineArgs {
    /// The budget of a request that asks for none. Without it, such a request takes as long as its upstream does.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub timeout: Option<Duration>,

    /// The most that a request can ask for; without it, --timeout is the most.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub max: Option<Duration>,

    /// The name of this hop, in answers and in Via.
    #[arg(long, value_name = "NAME", default_value = "proxy")]
    pub hop: String,

    /// Say in answers which policy or which field set a deadline, and not only which kind of the two.
    #[arg(long)]
    pub expose_origin: bool,
}

impl DeadlineArgs {
    /// What every request is held to.
    ///
    /// # Errors
    ///
    /// A default above the most.
    pub fn policy(&self) -> Result<Policy, Error> {
        let mut policy = Policy::new();
        if let (Some(timeout), Some(max)) = (self.timeout, self.max)
            && timeout > max
        {
            return Err(Error::TimeoutOverMax { timeout, max });
        }
        if let Some(timeout) = self.timeout {
            policy = policy.default_timeout(timeout);
        }
        if let Some(max) = self.max {
            policy = policy.max(max);
        }
        Ok(policy)
    }
}
