//! What more of something costs a request: workers, routes, upstreams, deadlines that are under way.

use std::thread::sleep;
use std::time::Duration;

use super::super::contest::{self, Contestant, Series};
use super::super::load::Ask;
use super::super::peers;
use super::super::proc::Cpu;
use super::super::process::Program;
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::memory::Talk;
use crate::Outcome;

/// A route that is there however many there are.
const ROUTED: Ask = Ask::Path("/r7/128");

/// How long a proxy is looked at, and what it may do meanwhile, in seconds, to be at rest.
const SETTLE: Duration = Duration::from_millis(500);
const QUIET: f64 = 0.02;
const SETTLES: usize = 120;

pub(super) fn run(setting: &Setting, report: &mut Report) -> Outcome {
    let mut table = Table::new(["more of", "how many", "CPU µs a request", "÷ the first", "requests/s"]);
    let mut add = |what: &str, contestants: &[Contestant], ask: Ask| -> Outcome {
        let rounds = setting.options.rounds.div_ceil(2);
        let series = contest::rounds(contestants, ask, rounds, setting)?;
        let [first, ..] = &series[..] else { return Ok(()) };
        for of in &series {
            table.row(row(what, of, first));
            report.figure(&format!("growth {what}"), &of.name, "", of.ratio(first));
        }
        Ok(())
    };
    add("workers", &workers(setting)?, Ask::Get(128))?;
    add("routes", &routes(setting)?, ROUTED)?;
    let first = setting.options.port + 1000;
    let upstreams_of = setting.upstream(first, 1000)?;
    add("upstreams", &upstreams(first, setting)?, Ask::Get(128))?;
    drop(upstreams_of);
    let (contestants, held) = deadlines(setting)?;
    settle(&contestants)?;
    add("live deadlines", &contestants, Ask::Get(128))?;
    drop(held);
    let text = format!(
        "GET, 128 bytes, to one worker on the first core. A second worker has the second core, and shares it with load and \
         upstream; neither of these two is asked to be busy all the time. Deadlines are calls of gRPC that the upstream \
         holds.\n\n{table}"
    );
    report.section("growth", "Growth", &text);
    Ok(())
}

/// Waits until none has anything to do: what was asked of it last may still be on its way.
fn settle(contestants: &[Contestant]) -> Outcome {
    let pids: Vec<u32> = contestants.iter().flat_map(|of| of.running.pids()).collect();
    let mut before = Cpu::of(&pids)?;
    for _ in 0..SETTLES {
        sleep(SETTLE);
        let now = Cpu::of(&pids)?;
        if (now - before).total() < QUIET {
            return Ok(());
        }
        before = now;
    }
    Err("the proxies do not come to rest".to_owned())
}

fn row(what: &str, of: &Series, first: &Series) -> [String; 5] {
    let shown = |spread: Option<super::super::spread::Spread>, digits| {
        spread.map_or("–".to_owned(), |spread| spread.shown(digits))
    };
    let ratio = of.ratio(first).map_or_else(|why| format!("– ({why})"), |ratio| ratio.to_string());
    let each_second = of.spread(|sample| Some(sample.answered.each_second));
    [what.to_owned(), of.name.clone(), shown(of.each(), 2), ratio, shown(each_second, 0)]
}

/// The first build of ours, with these arguments, named by how many there are of something.
fn ours(place: usize, count: usize, args: Vec<String>, setting: &Setting) -> Program {
    let path = setting.ours.first().map(|(_, path)| path.clone()).unwrap_or_default();
    Program { name: count.to_string(), path, args, port: setting.port(place) }
}

fn workers(setting: &Setting) -> Outcome<Vec<Contestant>> {
    let one = |(place, count): (usize, usize)| {
        let args = peers::ours_args(setting.port(place), setting.options.port, count);
        let started = peers::started(&ours(place, count, args, setting), count, setting)?;
        Ok(Contestant { cores: None, ..started })
    };
    [1, 2].into_iter().enumerate().map(one).collect()
}

fn routes(setting: &Setting) -> Outcome<Vec<Contestant>> {
    let one = |(place, count): (usize, usize)| {
        let (port, target) = (setting.port(place), setting.options.port);
        let mut file = format!("workers = 1\nadmin = \"127.0.0.1:{}\"\n\n", port + 3);
        file.push_str(&format!("[[listener]]\naddress = \"127.0.0.1:{port}\"\n\n"));
        file.push_str(&format!("[upstream.target]\ntargets = [\"http://127.0.0.1:{target}\"]\n\n"));
        for at in 0..count {
            file.push_str(&format!("[[route]]\nprefix = \"/r{at}\"\nupstream = \"target\"\n\n"));
        }
        let file = setting.write(&format!("routes-{count}.toml"), &file)?;
        let args = ["run", "--config", &file].map(str::to_owned).into();
        peers::started(&ours(place, count, args, setting), 1, setting)
    };
    [10, 100, 1000, 10_000].into_iter().enumerate().map(one).collect()
}

fn upstreams(first: u16, setting: &Setting) -> Outcome<Vec<Contestant>> {
    let one = |(place, count): (usize, u16)| {
        let mut args = peers::ours_args(setting.port(place), first, 1);
        for at in 1..count {
            args.extend(["--upstream".to_owned(), format!("http://127.0.0.1:{}", first + at)]);
        }
        peers::started(&ours(place, count.into(), args, setting), 1, setting)
    };
    [1, 10, 100, 1000].into_iter().enumerate().map(one).collect()
}

/// Each with as many calls that are never answered, by a load that holds them.
fn deadlines(setting: &Setting) -> Outcome<(Vec<Contestant>, Vec<Talk>)> {
    let (mut contestants, mut held) = (Vec::new(), Vec::new());
    for (place, count) in [10, 1000, 10_000, 100_000].into_iter().enumerate() {
        let mut args = peers::ours_args(setting.port(place), setting.options.port, 1);
        args.extend(["--max-streams", "1000", "--upstream-streams", "1000"].map(str::to_owned));
        let contestant = peers::started(&ours(place, count, args, setting), 1, setting)?;
        let address = format!("127.0.0.1:{}", contestant.port + 2);
        let mut talk = Talk::start(setting, &["hold", &address, &count.to_string()])?;
        talk.until("held")?;
        contestants.push(contestant);
        held.push(talk);
    }
    Ok((contestants, held))
}
