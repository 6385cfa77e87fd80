//! Pictures of what was found, for light and dark pages.

use std::fmt::Write;

use super::Report;
use super::goals::GOALS;

const STYLE: &str = "<style>\
text{font:13px system-ui,sans-serif;fill:#24292f}.dim{fill:#59636e}.line{stroke:#59636e}.grid{stroke:#d1d9e0}\
.a{fill:#0969da}.b{fill:#9a6700}.sa{stroke:#0969da}.sb{stroke:#9a6700}.sc{stroke:#8250df}.goal{stroke:#cf222e}.t{fill:#cf222e}\
.ta{fill:#0969da}.tb{fill:#9a6700}.tc{fill:#8250df}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.line{stroke:#9198a1}.grid{stroke:#3d444d}\
.a{fill:#4493f8}.b{fill:#d29922}.sa{stroke:#4493f8}.sb{stroke:#d29922}.sc{stroke:#ab7df8}.goal{stroke:#f85149}.t{fill:#f85149}\
.ta{fill:#4493f8}.tb{fill:#d29922}.tc{fill:#ab7df8}}\
</style>";

/// The rows of the chart of costs: a case, and what it is called.
const ROWS: [(&str, &str); 7] = [
    ("get-128", "GET 128 B"),
    ("get-16k", "GET 16 KiB"),
    ("get-1m", "GET 1 MiB"),
    ("post-16k", "POST 16 KiB"),
    ("fields-20", "20 more fields"),
    ("h2c", "HTTP/2 in"),
    ("grpc", "gRPC"),
];

/// Where bars begin, how long the longest is, and how much a row takes.
const LEFT: f64 = 130.0;
const LONG: f64 = 560.0;
const HIGH: f64 = 46.0;

/// CPU of a request in that of nginx, ours and HAProxy's, with the goals; none where a row was not looked at.
pub(super) fn costs(report: &Report, ours: &str) -> Option<String> {
    let found = |case: &str, of: &str| report.found(case, of, "nginx");
    if ROWS.iter().any(|(case, _)| found(case, ours).is_none()) {
        return None;
    }
    let told = |case: &str, of: &str| found(case, of)?.as_ref().ok().map(|spread| spread.median);
    let bars: Vec<Row> = ROWS
        .iter()
        .map(|(case, title)| Row { case, title, bars: [ours, "haproxy"].map(|of| told(case, of)) })
        .collect();
    let longest = bars.iter().flat_map(|row| row.bars).flatten().fold(1.25, f64::max);
    let at = |ratio: f64| LEFT + ratio / longest * LONG;
    let bottom = HIGH * bars.len() as f64 + 40.0;
    let mut svg = head(LEFT + LONG + 70.0, bottom + 30.0, "CPU of a request, in that of nginx");
    for (number, row) in bars.iter().enumerate() {
        row.draw(&mut svg, 40.0 + HIGH * number as f64, at);
    }
    let one = at(1.0);
    let _ = writeln!(
        svg,
        "<line class=\"line\" stroke-dasharray=\"4 3\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"30\" y2=\"{bottom:.1}\"/>"
    );
    let legend = [("ta", "deadline-proxy"), ("tb", "HAProxy"), ("t", "goal"), ("dim", "dashed: nginx")];
    Some(svg + &words(&legend, bottom + 18.0) + "</svg>\n")
}

/// A case, with the ratios that are told.
struct Row {
    case: &'static str,
    title: &'static str,
    bars: [Option<f64>; 2],
}

impl Row {
    fn draw(&self, svg: &mut String, top: f64, at: impl Fn(f64) -> f64) {
        let Self { case, title, bars } = self;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{title}</text>", LEFT - 10.0, top + 20.0);
        for (class, ratio, top) in [("a", bars[0], top), ("b", bars[1], top + 16.0)] {
            match ratio {
                Some(ratio) => bar(svg, class, top, at(ratio), ratio),
                None => {
                    let _ = writeln!(svg, "<text class=\"dim\" x=\"{LEFT}\" y=\"{:.1}\">not told</text>", top + 11.0);
                }
            }
        }
        let goal = GOALS.iter().find(|goal| goal.figure == *case && goal.to == "nginx").map_or(1.0, |goal| goal.most);
        let (goal, start, end) = (at(goal), top - 4.0, top + 34.0);
        let ends = format!("x1=\"{goal:.1}\" x2=\"{goal:.1}\" y1=\"{start:.1}\" y2=\"{end:.1}\"");
        let _ = writeln!(svg, "<line class=\"goal\" stroke-width=\"2\" {ends}/>");
    }
}

fn bar(svg: &mut String, class: &str, top: f64, end: f64, ratio: f64) {
    let width = end - LEFT;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"13\" rx=\"2\"/>"
    );
    let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{ratio:.2}</text>", end + 6.0, top + 11.0);
}

/// What is there more of, and how many of it there are.
const CURVES: [(&str, &str, &str, [&str; 4]); 3] = [
    ("routes", "sa", "ta", ["10", "100", "1000", "10000"]),
    ("upstreams", "sb", "tb", ["1", "10", "100", "1000"]),
    ("live deadlines", "sc", "tc", ["10", "1000", "10000", "100000"]),
];

/// CPU of a request in that with the fewest; none where growth was not looked at.
pub(super) fn growth(report: &Report) -> Option<String> {
    let (bottom, high) = (260.0, 180.0);
    let across = |count: &str| LEFT + count.parse::<f64>().unwrap_or(1.0).log10() / 5.0 * LONG;
    let up = |ratio: f64| bottom - ratio / 2.0 * high;
    let mut svg = head(LEFT + LONG + 70.0, bottom + 60.0, "CPU of a request, in that with the fewest");
    for ratio in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let (end, y) = (LEFT + LONG, up(ratio));
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ratio}</text>",
            LEFT - 10.0,
            y + 4.0
        );
    }
    for count in ["1", "10", "100", "1000", "10000", "100000"] {
        let x = across(count);
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{count}</text>",
            bottom + 18.0
        );
    }
    let mut is_empty = true;
    for (what, class, _, counts) in CURVES {
        let point = |count: &&str| {
            let ratio = report.found(&format!("growth {what}"), count, "")?.as_ref().ok()?.median;
            Some(format!("{:.1},{:.1}", across(count), up(ratio.min(2.0))))
        };
        let points: Vec<String> = counts.iter().filter_map(point).collect();
        is_empty &= points.is_empty();
        let _ = writeln!(
            svg,
            "<polyline class=\"{class}\" fill=\"none\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
    }
    let legend = CURVES.map(|(what, _, class, _)| (class, what));
    (!is_empty).then(|| svg + &words(&legend, bottom + 44.0) + "</svg>\n")
}

fn head(wide: f64, high: f64, title: &str) -> String {
    let open = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" role=\"img\">");
    format!("{open}\n<title>{title}</title>\n{STYLE}\n<text x=\"10\" y=\"18\" font-weight=\"600\">{title}</text>\n")
}

fn words(words: &[(&str, &str)], y: f64) -> String {
    let word = |(at, (class, word)): (usize, &(&str, &str))| {
        format!("<text class=\"{class}\" x=\"{}\" y=\"{y}\">{word}</text>\n", LEFT + 130.0 * at as f64)
    };
    words.iter().enumerate().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::proxy::spread::Spread;

    #[test]
    fn costs_are_drawn_where_all_were_looked_at() {
        let mut report = Report::default();
        for (case, _) in ROWS {
            assert_eq!(costs(&report, "ours"), None);
            report.figure(case, "ours", "nginx", Ok(Spread::of([0.5]).unwrap()));
        }
        report.figure("grpc", "ours", "nginx", Err("why".to_owned()));
        let svg = costs(&report, "ours").unwrap();
        assert_eq!((svg.matches("<rect").count(), svg.matches(">0.50<").count()), (ROWS.len() - 1, ROWS.len() - 1));
        assert_eq!(svg.matches(">not told<").count(), 1 + ROWS.len());
        assert!(svg.contains("prefers-color-scheme:dark") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn growth_is_a_curve_of_each() {
        let mut report = Report::default();
        assert_eq!(growth(&report), None);
        report.figure("growth routes", "10", "", Ok(Spread::of([1.0]).unwrap()));
        report.figure("growth routes", "10000", "", Ok(Spread::of([1.5]).unwrap()));
        assert!(growth(&report).unwrap().contains("points=\"242.0,170.0 578.0,125.0\""), "{:?}", growth(&report));
    }
}
