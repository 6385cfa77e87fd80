//! What one request costs on a core, as fast as they are answered.

use super::super::contest::{self, Series};
use super::super::load::Ask;
use super::super::peers;
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::super::spread::Spread;
use super::Case;
use crate::Outcome;

pub(super) fn run(
    case: &Case,
    ask: Ask,
    beside: Option<&'static str>,
    setting: &Setting,
    report: &mut Report,
) -> Outcome {
    // It is nginx, too.
    let beside =
        beside.filter(|name| *name != peers::UNBUFFERED || setting.options.peers.iter().any(|of| of == "nginx"));
    let names = setting.names().into_iter().chain(beside.map(str::to_owned));
    let contestants: Outcome<Vec<_>> = names.enumerate().map(|(at, name)| peers::start(&name, at, setting)).collect();
    let series = contest::rounds(&contestants?, ask, setting.options.rounds, setting)?;
    for of in &series {
        for to in series.iter().filter(|to| to.name != of.name) {
            report.figure(case.name, &of.name, &to.name, of.ratio(to));
        }
    }
    let text = table(&series, base(&series, setting)) + &above(&series);
    report.section(case.name, case.title, &text);
    Ok(())
}

/// What each costs more than the splice, where that is there: the rest is nobody's.
fn above(series: &[Series]) -> String {
    let split = |series: &Series| {
        let system = series.spread(|sample| Some(sample.cpu.system_share() * sample.each()))?.median;
        Some((series.each()?.median - system, system))
    };
    let Some((user, system)) = series.iter().find(|of| of.name == peers::SPLICE).and_then(split) else {
        return String::new();
    };
    let mut table = Table::new(["above the splice", "µs a request", "of it user", "of it system"]);
    for of in series.iter().filter(|of| of.name != peers::SPLICE) {
        let Some(each) = split(of) else { continue };
        let more = [each.0 - user + each.1 - system, each.0 - user, each.1 - system];
        table.row([of.name.clone()].into_iter().chain(more.map(|micros| format!("{micros:.2}"))));
    }
    format!("\n{table}")
}

/// Whose cost all others are told in: nginx, or the first build.
fn base<'a>(series: &'a [Series], setting: &Setting) -> Vec<&'a Series> {
    let named = |name: &str| series.iter().find(|series| series.name == name);
    let first = (setting.ours.len() > 1).then(|| &series[0]);
    let nginx = named("nginx");
    nginx
        .into_iter()
        .chain(named(peers::UNBUFFERED))
        .chain(first.or((nginx.is_none()).then(|| &series[0])))
        .collect()
}

/// A line for each proxy; `bases` are what it is told in.
pub(super) fn table(series: &[Series], bases: Vec<&Series>) -> String {
    let ratios = bases.iter().map(|base| format!("÷ {}", base.name));
    let head = ["proxy", "CPU µs a request", "of it system"].map(str::to_owned).into_iter().chain(ratios);
    let more = ["requests/s", "p50 µs", "p99 µs", "peak MiB", "of its core", "errors"].map(str::to_owned);
    let mut table = Table::new(head.chain(more));
    for of in series {
        let shown =
            |spread: Option<Spread>, digits| spread.map_or("–".to_owned(), |spread: Spread| spread.shown(digits));
        let mut row = vec![of.name.clone(), shown(of.each(), 2)];
        row.push(shown(of.spread(|sample| Some(sample.cpu.system_share())), 2));
        for base in &bases {
            row.push(match of.ratio(base) {
                _ if of.name == base.name => "1".to_owned(),
                Ok(ratio) => ratio.to_string(),
                Err(_) => "–".to_owned(),
            });
        }
        row.push(shown(of.spread(|sample| Some(sample.answered.each_second)), 0));
        row.push(shown(of.spread(|sample| sample.answered.p50), 0));
        row.push(shown(of.spread(|sample| sample.answered.p99), 0));
        row.push(format!("{:.1}", of.peak / 1024.0));
        row.push(shown(of.spread(|sample| sample.share()), 2));
        row.push(of.samples.iter().map(|sample| sample.answered.errors).sum::<u64>().to_string());
        table.row(row);
    }
    let faults: Vec<String> = series.iter().filter_map(Series::fault).collect();
    let refused = faults.iter().map(|fault| format!("\nNo ratio is told with {fault}.\n"));
    format!("{table}{}", refused.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::Sample;
    use super::*;

    fn series(name: &str, answered: u64, errors: u64) -> Series {
        Series { name: name.to_owned(), samples: vec![Sample::made(1.0, answered, errors); 3], peak: 2048.0 }
    }

    #[test]
    fn what_is_above_the_splice_is_told_where_there_is_one() {
        let all = [series("ours", 50_000, 0), series(peers::SPLICE, 100_000, 0)];
        assert_eq!(above(&all[..1]), "");
        let above = above(&all);
        assert!(above.ends_with("| ours | 10.00 | 2.50 | 7.50 |\n") && !above.contains("| splice |"), "{above}");
    }

    #[test]
    fn a_line_has_all_figures_and_a_ratio_that_is_refused_says_why() {
        let all = [series("ours", 50_000, 0), series("nginx", 100_000, 0), series("bad", 10, 1)];
        let table = table(&all, vec![&all[1]]);
        let line = |name: &str| table.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        assert!(line("ours").contains("| 20.00 (20.00–20.00) | 0.75 (0.75–0.75) | 2.00 (2.00–2.00) |"), "{table}");
        assert!(line("ours").contains("| 2.0 |") && line("nginx").contains("| 1 |"), "{table}");
        assert!(line("bad").contains("| – |") && line("bad").ends_with("| 3 |"), "{table}");
        assert!(table.contains("No ratio is told with bad: 1 of 11 requests were errors."), "{table}");
    }
}
