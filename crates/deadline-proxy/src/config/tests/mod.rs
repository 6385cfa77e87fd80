use super::*;

mod broken;
mod examples;
mod fuzz;
mod meaning;
mod scale;
mod schema;

/// The settings of a text without anything from the environment.
fn settings(text: &str) -> Result<Settings, String> {
    parse("proxy.toml", text, &|_| None).map_err(|error| error.to_string())
}
