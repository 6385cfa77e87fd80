//! What a shell and a reader of manuals need to know of the command line, made of the command line itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::Cli;

/// The name of the program.
const NAME: &str = "deadline-proxy";

/// Which shell to complete for.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

impl CompletionsArgs {
    /// Writes the script that the shell reads.
    ///
    /// # Errors
    ///
    /// Where `out` takes nothing more.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        // Its maker panics where nothing more is taken.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), NAME, &mut script);
        out.write_all(&script)?;
        out.flush()
    }
}

/// Where to put the manual.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// A directory that gets a file for each page; it is made where there is none. [default: standard output]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl ManArgs {
    /// Writes the page of the program and one of each verb, into files or to `out`.
    ///
    /// # Errors
    ///
    /// What cannot be written, with its path.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(directory) = &self.out else {
            pages().try_for_each(|page| page.render(out))?;
            return out.flush();
        };
        let told =
            |path: &PathBuf, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::create_dir_all(directory).map_err(|error| told(directory, error))?;
        for page in pages() {
            let path = directory.join(page.get_filename());
            let written = File::create(&path).and_then(|mut file| page.render(&mut file));
            written.map_err(|error| told(&path, error))?;
        }
        Ok(())
    }
}

/// The page of the program, and then one of each verb.
fn pages() -> impl Iterator<Item = Man> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let verbs: Vec<Command> = command.get_subcommands().cloned().collect();
    [command].into_iter().chain(verbs).map(Man::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    const VERBS: [&str; 7] = ["run", "check", "explain", "schema", "demo", "completions", "man"];

    #[test]
    fn every_shell_learns_every_verb() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            CompletionsArgs { shell: *shell }.write(&mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(VERBS.iter().all(|verb| script.contains(verb)), "{shell}: {script}");
            assert!(script.contains("body-bytes"), "{shell}");
        }
    }

    #[test]
    fn the_manual_has_a_page_for_the_program_and_for_each_verb() {
        let mut manual = Vec::new();
        ManArgs { out: None }.write(&mut manual).unwrap();
        let manual = String::from_utf8(manual).unwrap();
        let titles = manual.lines().filter_map(|line| line.strip_prefix(".TH "));
        let titles: Vec<_> = titles.map(|title| title.split(' ').next().unwrap_or_default()).collect();
        let expected: Vec<_> = VERBS.iter().map(|verb| format!("deadline-proxy-{verb}")).collect();
        assert_eq!(titles[0], "deadline-proxy");
        let mut verbs = titles[1..].to_vec();
        verbs.sort_unstable();
        let mut expected: Vec<_> = expected.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(verbs, expected);
        for told in ["Exit codes:", "The command line or the configuration is wrong", "\\-\\-body\\-bytes"] {
            assert!(manual.contains(told), "{told}");
        }
    }

    #[test]
    fn the_manual_goes_into_a_directory_that_is_made() {
        let directory = std::env::temp_dir().join(format!("deadline-proxy-man-{}", std::process::id()));
        ManArgs { out: Some(directory.join("man1")) }.write(&mut io::sink()).unwrap();
        let files: Vec<_> =
            fs::read_dir(directory.join("man1")).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files.len(), 1 + VERBS.len());
        assert!(files.iter().any(|file| file == "deadline-proxy-explain.1"), "{files:?}");
        // A file stands there.
        let error = ManArgs { out: Some(directory.join("man1/deadline-proxy.1")) }.write(&mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("deadline-proxy.1: "), "{error}");
        fs::remove_dir_all(directory).unwrap();
    }
}
