//! The script of the recipes, as it stands there.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Act, MS, Mirror, Proxy, soon};

/// The block of a paper that has this in it.
fn block(paper: &str, part: &str) -> String {
    let blocks = paper.split("```").skip(1).step_by(2);
    let block = blocks.into_iter().find(|block| block.contains(part)).expect("it is there");
    block.split_once('\n').expect("a block has lines").1.to_owned()
}

#[tokio::test]
async fn the_script_of_the_recipes_draws_a_waterfall() {
    let below = "server-timing: hop._;desc=\"more=1\"\r\nserver-timing: db;dur=53\r\n\
                 server-timing: hop.payments;dur=600;desc=\"budget=900 own=600\", \
                 hop.orders;dur=700;desc=\"budget=950 upstream=600 own=100 sent=100\"\r\n";
    let upstream = Mirror::start(move |_, _| Act { after: 200 * MS, ..Act::answer(200, below, "ok") });
    let rest = "[policy.default]\nledger = \"inside\"\n[[route]]\nupstream = \"app\"\n";
    let proxy = Proxy::of(&[("app", upstream.address)], rest).await;
    let paper = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recipes.md");
    let paper = std::fs::read_to_string(paper).expect("the recipes can be read");
    let (shown, real) = ("http://127.0.0.1:8080/orders", proxy.url("/orders"));
    let script = block(&paper, "curl -sD-");
    assert!(script.contains(shown) && script.lines().count() <= 8, "{script}");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script.replace(shown, &real)])
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = soon("the script", command.output()).await.expect("sh can be run");
    let drawn = String::from_utf8(output.stdout).expect("it is text");
    let rows: Vec<_> = drawn.lines().map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
    let [proxy, orders, payments] = &rows[..] else { panic!("{drawn}{}", String::from_utf8_lossy(&output.stderr)) };
    assert_eq!([proxy[0], orders[0], payments[0]], ["proxy", "orders", "payments"], "{drawn}");
    assert_eq!([orders[1], payments[1]], ["700", "600"], "{drawn}");
    assert!(proxy[1].parse::<f64>().is_ok_and(|took| took >= 200.0), "{drawn}");
    // The bars of the two begin 100 ms apart, and are 600 ms long and 700.
    let bars: Vec<_> = drawn.lines().map(|row| (row.find('#').expect("a bar"), row.matches('#').count())).collect();
    let (orders, payments) = (bars[1], bars[2]);
    let apart = orders.1 - payments.1;
    assert!(apart > 0 && (apart - 1..=apart + 1).contains(&(payments.0 - orders.0)), "{drawn}");
}
