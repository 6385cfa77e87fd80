use super::*;

mod broken;

/// The settings of a text without anything from the environment.
fn settings(text: &str) -> Result<Settings, String> {
    parse("proxy.toml", text, &|_| None).map_err(|error| error.to_string())
}
