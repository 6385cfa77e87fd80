//! The configuration file: one TOML file for people who write no Rust.
//!
//! Covers reading it, and every way to get it wrong: all complaints of a file are told at once, each with its place,
//! its key, and what was expected. A file with one complaint starts nothing. Secrets come from the environment, in
//! values of header fields and nowhere else. Does not open what a file names: certificates are read, and addresses bound,
//! by those who need them. A relative path begins in the working directory, wherever the file is.
//!
//! What the keys are stands at [`schema`], for people at [`reference`](reference()), and in `examples/config/reference.toml`. Policies are those of
//! [`tower_deadline::PolicySet`], read by its own reader.
//!
//! # Example
//!
//! ```
//! use deadline_proxy::config;
//!
//! let text = "[upstream.orders]\ntargets = \"http://127.0.0.1:3000\"\n[policy.default]\ntimeout = \"3s\"\n";
//! let settings = config::parse("proxy.toml", text, &|_| None)?;
//! assert_eq!(settings.proxy.routes.len(), 1);
//!
//! let wrong = config::parse("proxy.toml", "[upstream.orders]\ntarget = \"http://127.0.0.1:3000\"\n", &|_| None);
//! let told = wrong.map(drop).map_err(|error| error.to_string());
//! assert!(told.is_err_and(|told| told.starts_with("proxy.toml:2:1: upstream.orders.target: unknown key; expected one of ")));
//! # Ok::<_, config::Error>(())
//! ```

mod build;
mod complaints;
mod de;
mod error;
mod file;
mod path;
mod reference;
mod schema;
mod value;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tower_deadline::PolicySet;

use self::build::Context;
use self::complaints::Complaints;
pub use self::error::Error;
use self::path::Path as KeyPath;
pub use self::reference::reference;
pub use self::schema::schema;
use crate::settings::Settings;

/// The keys of a policy that are the proxy's own.
const OWN_KEYS: [&str; 2] = ["retries", "backoff"];

/// More than a few hundred thousand routes have, and little enough to be judged in memory.
const MOST: u64 = 64 << 20;

/// What a file says, with the variables of this process. Blocks while it reads.
///
/// # Errors
///
/// The file cannot be read, or everything that is wrong in it.
pub fn read(path: &Path) -> Result<Settings, Error> {
    let name = path.display().to_string();
    let bytes = bytes(path).map_err(|error| Error::unread(&name, error))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&name, &text, &variable),
        Err(error) => Err(Error::wrong(&name, vec![complaints::no_text(&error)])),
    }
}

/// What a text says. `name` is that of its file, for errors; `env` knows the variables of the environment.
///
/// # Errors
///
/// Everything that is wrong.
pub fn parse(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Error> {
    // The mark that some editors put in front is no column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let complaints = Complaints::of(text);
    let policies = PolicySet::among(name, text, &OWN_KEYS);
    let file = de::read(complaints.root(), &KeyPath::Root, &complaints).unwrap_or_default();
    // What would follow from a text that is no TOML is nobody's mistake.
    let is_whole = !complaints.is_broken();
    let context = Context { policies: policies.as_ref().ok(), env, complaints: &complaints };
    let settings = is_whole.then(|| build::settings(&file, context));
    match (settings, policies) {
        (Some(settings), Ok(_)) if complaints.is_none() => Ok(settings),
        (_, policies) => Err(Error::wrong(name, complaints.into_all(policies.err().as_ref()))),
    }
}

/// A variable of this process. One that is no text is no value of a field either, and is judged as that.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What stands in a file that may have no end.
pub(crate) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        let message = format!("it is larger than {} MiB; expected a configuration", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
