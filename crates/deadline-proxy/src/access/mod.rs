//! The access log: one line for each request.

mod settings;

pub use self::settings::{Format, Output, Settings, What};
