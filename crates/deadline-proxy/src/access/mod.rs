//! The access log: one line for each request.

mod record;
mod settings;
mod spent;

pub use self::record::{Record, Spending};
pub use self::settings::{Format, Output, Settings, What};
