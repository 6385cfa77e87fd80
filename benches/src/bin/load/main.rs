//! Load over HTTP/1.1, and of the kinds that `h2load` does not make.
//!
//! Covers as many requests as are answered; requests that come when they come, whatever became of those before;
//! connections that are kept and do nothing; calls that are never answered. Does not cover HTTP/2 beyond those.
//!
//! ```text
//! load closed ADDRESS PATH FIELDS BODY SECONDS CONNECTIONS   one line of figures
//! load open ADDRESS PATH EACH-SECOND SECONDS CONNECTIONS     one line of figures
//! load idle ADDRESS CONNECTIONS                              a line when each step is done; the next for each line read
//! load hold ADDRESS CALLS                                    the same
//! ```

use std::error::Error;
use std::io::stdin;
use std::time::{Duration, Instant};
use std::{env, io};

mod answer;
mod closed;
mod hold;
mod idle;
mod open;
mod quantiles;

/// Asked by all: whoever knows what it means keeps to it, and the others pass it on.
const FIELD: &str = "x-request-timeout: 10s";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["closed", address, path, fields, body, seconds, connections] => {
            let request = closed::Request { path: path.to_owned(), fields: fields.parse()?, body: body.parse()? };
            let time = Duration::from_secs_f64(seconds.parse()?);
            println!("{}", closed::run(address.parse()?, &request, time, connections.parse()?)?);
            Ok(())
        }
        ["open", address, path, each_second, seconds, connections] => {
            let plan = open::Plan { each_second: each_second.parse()?, seconds: seconds.parse()? };
            println!("{}", open::run(address.parse()?, path, plan, connections.parse()?)?);
            Ok(())
        }
        ["idle", address, connections] => idle::run(address.parse()?, connections.parse()?),
        ["hold", address, calls] => hold::run(address.parse()?, calls.parse()?),
        _ => Err("load closed|open|idle|hold, as its source says".into()),
    }
}

/// Tells whoever started this that a step is done, and waits for the word to go on.
fn step(done: &str) -> io::Result<()> {
    println!("{done}");
    stdin().read_line(&mut String::new()).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "it measures the time of sockets; no test pauses this clock")]
fn now() -> Instant {
    Instant::now()
}
