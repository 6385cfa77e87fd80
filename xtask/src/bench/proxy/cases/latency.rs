//! How long answers take: when requests come at random, at a rate that everybody can bear; and one at a time.

use super::super::contest::Contestant;
use super::super::load::{self, Answered, Ask, Load};
use super::super::peers;
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::super::spread::Spread;
use crate::Outcome;

/// Of what the first peer can answer.
const RATE: f64 = 0.7;

pub(super) fn run(setting: &Setting, report: &mut Report) -> Outcome {
    let names = setting.names();
    let contestants: Outcome<Vec<_>> =
        names.iter().enumerate().map(|(at, name)| peers::start(name, at, setting)).collect();
    let contestants = contestants?;
    let base = contestants.get(setting.ours.len()).unwrap_or(&contestants[0]);
    let rate = RATE * closed(base, setting.options.connections, setting)?.each_second;
    let open = rounds(&contestants, setting, |of| open(of, rate, setting))?;
    let alone = rounds(&contestants, setting, |of| closed(of, 1, setting))?;
    let mut table =
        Table::new(["proxy", "p50 µs", "p99 µs", &format!("p99 ÷ {}", base.name), "alone: p50 µs", "p99 µs"]);
    let of_base = names.iter().position(|name| *name == base.name).unwrap_or(0);
    for (at, name) in names.iter().enumerate() {
        let ratio = ratio(&open[at], &open[of_base]);
        let told = ratio.as_ref().map_or_else(|why| format!("– ({why})"), Spread::to_string);
        report.figure("latency", name, &base.name, ratio);
        let [p50, p99] = shown(&open[at]);
        let [alone_p50, alone_p99] = shown(&alone[at]);
        table.row([name.clone(), p50, p99, told, alone_p50, alone_p99]);
    }
    let text = format!(
        "GET, 128 bytes: {rate:.0} requests a second for each, 70 % of what {} can answer, at random instants and counted \
         from when a request was due; and one request at a time.\n\n{table}",
        base.name
    );
    report.section("latency", "Latency", &text);
    Ok(())
}

/// By turns.
fn rounds(
    contestants: &[Contestant],
    setting: &Setting,
    run: impl Fn(&Contestant) -> Outcome<Answered>,
) -> Outcome<Vec<Vec<Answered>>> {
    let mut all = vec![Vec::new(); contestants.len()];
    for _ in 0..setting.options.rounds {
        for (contestant, answered) in contestants.iter().zip(&mut all) {
            answered.push(run(contestant)?);
        }
    }
    Ok(all)
}

fn open(contestant: &Contestant, rate: f64, setting: &Setting) -> Outcome<Answered> {
    let line = format!("open 127.0.0.1:{} /128 {rate:.0}", contestant.port);
    let options = &setting.options;
    let line = format!("{line} {} {}", options.seconds, options.connections);
    let mut command = vec![setting.helper("load").display().to_string()];
    command.extend(line.split(' ').map(str::to_owned));
    load::run(&command, &setting.rest)
}

fn closed(contestant: &Contestant, connections: usize, setting: &Setting) -> Outcome<Answered> {
    let (folder, helper) = (&setting.folder, &setting.helper("load"));
    let load = Load { seconds: setting.options.seconds.min(2), connections, folder, helper };
    load::run(&Ask::Get(128).command(contestant.port, load)?, &setting.rest)
}

/// Of the 99th percentiles of each round.
fn ratio(of: &[Answered], to: &[Answered]) -> Outcome<Spread> {
    let errors: u64 = of.iter().chain(to).map(|answered| answered.errors).sum();
    if errors > 0 {
        return Err(format!("{errors} requests were errors"));
    }
    let pairs = of.iter().zip(to);
    Spread::of(pairs.filter_map(|(of, to)| Some(of.p99? / to.p99?))).ok_or_else(|| "nothing was answered".to_owned())
}

fn shown(answered: &[Answered]) -> [String; 2] {
    let spread = |figure: fn(&Answered) -> Option<f64>| {
        Spread::of(answered.iter().filter_map(figure)).map_or("–".to_owned(), |spread| spread.shown(0))
    };
    [spread(|answered| answered.p50), spread(|answered| answered.p99)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(p99: f64, errors: u64) -> Answered {
        Answered { answered: 1, errors, p50: Some(p99 / 2.0), p99: Some(p99), ..Answered::default() }
    }

    #[test]
    fn a_ratio_of_percentiles_is_taken_within_rounds_and_refused_with_errors() {
        let nginx = [answered(100.0, 0), answered(1000.0, 0), answered(100.0, 0)];
        let ours = [answered(90.0, 0), answered(900.0, 0), answered(200.0, 0)];
        assert_eq!(ratio(&ours, &nginx).unwrap().median, 0.9);
        assert_eq!(shown(&ours), ["100 (72–275)", "200 (145–550)"]);
        assert_eq!(ratio(&[answered(1.0, 2)], &nginx), Err("2 requests were errors".to_owned()));
    }
}
