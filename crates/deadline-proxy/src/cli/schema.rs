//! As what to print what a configuration can say.

use std::io::{self, Write};

use clap::Args;

use crate::config;

/// As what to print it.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// A page of Markdown, in place of a JSON schema.
    #[arg(long)]
    pub markdown: bool,
}

impl SchemaArgs {
    /// Writes it.
    ///
    /// # Errors
    ///
    /// Where `out` takes nothing more.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.markdown {
            write!(out, "{}", config::reference())?;
        } else {
            writeln!(out, "{:#}", config::schema())?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(markdown: bool) -> String {
        let mut out = Vec::new();
        SchemaArgs { markdown }.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_schema_is_json_and_the_page_is_none() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written(false)).unwrap(), config::schema());
        let page = written(true);
        assert!(page.contains("\n# Configuration\n") && page.ends_with(".\n"), "{page}");
    }
}
