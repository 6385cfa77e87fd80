//! The units of systemd, by systemd's own tools.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use super::{systemd, text};
use crate::support::{Folder, MS, Program, Upstream, binary, curl, own_place, soon};

const SERVICE: &str = "deadline-proxy.service";
const SOCKETS: [&str; 2] = ["deadline-proxy.socket", "deadline-proxy-https.socket"];

/// What `systemd-analyze security` makes of the service, in tenths: 1.4 with systemd 252. What is left is that it has a
/// network, which a proxy needs, and a child that may speak for it, which an exchange of the binary needs.
const EXPOSURE_AT_MOST: &str = "15";

/// How long tunnels have to close, and some seconds for a machine that is busy.
const BESIDE_THE_DRAIN: Duration = Duration::from_secs(7 + 5);

/// The values of a setting of a unit, in their order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

fn value<'a>(unit: &'a str, setting: &str) -> &'a str {
    let [value] = values(unit, setting)[..] else { panic!("{setting}: once") };
    value
}

/// A folder with the units, which start this program in the place of the one that would be installed.
fn units() -> Folder {
    let (folder, program) = (Folder::new(), binary("deadline-proxy"));
    for unit in SOCKETS.into_iter().chain([SERVICE]) {
        let text = text(&format!("deploy/{unit}")).replace("/usr/bin/deadline-proxy", program.to_str().unwrap());
        folder.write(unit, &text);
    }
    folder
}

async fn analyze(tool: &Path, arguments: &[&str]) -> Output {
    soon("systemd-analyze", Command::new(tool).args(arguments).stdin(Stdio::null()).output())
        .await
        .unwrap()
}

/// It ends well whatever it has to say, so what it says is what counts.
async fn complaints(tool: &Path, folder: &Folder) -> String {
    let paths = SOCKETS.into_iter().chain([SERVICE]).map(|unit| folder.of(unit));
    let arguments: Vec<String> = ["verify".to_owned()].into_iter().chain(paths).collect();
    let output = analyze(tool, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn systemd_has_nothing_against_the_units() {
    let Some(tool) = systemd("systemd-analyze") else { return };
    let folder = units();
    assert_eq!(complaints(&tool, &folder).await, "");
    // It would say so.
    folder.write(SERVICE, &text(&format!("deploy/{SERVICE}")).replace("RestartSec=10", "RestartSeconds=10"));
    let told = complaints(&tool, &folder).await;
    assert!(told.contains("RestartSeconds"), "{told}");
    assert!(
        told.contains("/usr/bin/deadline-proxy is not executable") || Path::new("/usr/bin/deadline-proxy").exists()
    );
}

#[tokio::test]
async fn the_service_is_shut_off_from_what_it_does_not_need() {
    let Some(tool) = systemd("systemd-analyze") else { return };
    let folder = units();
    let threshold = format!("--threshold={EXPOSURE_AT_MOST}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let rated = analyze(&tool, &[&arguments[..], &[&folder.of(SERVICE)]].concat()).await;
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
    // A service that keeps every capability is not.
    let open = text(&format!("deploy/{SERVICE}")).replace("CapabilityBoundingSet=\n", "");
    let rated = analyze(&tool, &[&arguments[..], &[&folder.write(SERVICE, &open)]].concat()).await;
    assert!(!rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}

#[test]
fn a_stop_is_waited_for_longer_than_it_takes() {
    let (unit, file) = (text(&format!("deploy/{SERVICE}")), text("deploy/deadline-proxy.toml"));
    let file: toml::Table = file.parse().unwrap();
    let drain = file["drain_timeout"].as_str().and_then(|drain| drain.strip_suffix('s')?.parse().ok());
    let drain = Duration::from_secs(drain.expect("whole seconds"));
    let stop = Duration::from_secs(value(&unit, "TimeoutStopSec").parse().unwrap());
    assert!(stop >= drain + BESIDE_THE_DRAIN, "{stop:?} for a drain of {drain:?}");
}

#[test]
fn it_is_started_again_after_ten_seconds_and_three_times_a_minute() {
    let unit = text(&format!("deploy/{SERVICE}"));
    for (setting, expected) in [
        ("Type", "notify"),
        ("Restart", "always"),
        ("RestartSec", "10"),
        ("StartLimitIntervalSec", "60"),
        ("StartLimitBurst", "3"),
        ("OOMScoreAdjust", "-500"),
        ("WatchdogSec", "10"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(value(&unit, setting), expected, "{setting}");
    }
}

/// The file beside the unit, with this upstream and a port for the admin listener that is free.
fn configuration(upstream: &Upstream) -> String {
    let file = text("deploy/deadline-proxy.toml");
    let file = file.replace("http://127.0.0.1:3000", &format!("http://{}", upstream.address));
    file.replace("127.0.0.1:9901", "127.0.0.1:0")
}

/// What the unit runs, by this program and with this file.
fn command(file: &str) -> Vec<String> {
    let unit = text(&format!("deploy/{SERVICE}"));
    let words = value(&unit, "ExecStart").split(' ').map(|word| match word {
        "/usr/bin/deadline-proxy" => binary("deadline-proxy").to_str().expect("a path is text").to_owned(),
        "/etc/deadline-proxy/deadline-proxy.toml" => file.to_owned(),
        other => other.to_owned(),
    });
    words.collect()
}

#[tokio::test]
async fn the_command_of_the_unit_serves_the_socket_of_the_unit() {
    let Some(activate) = systemd("systemd-socket-activate") else { return };
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let file = folder.write("deadline-proxy.toml", &configuration(&upstream));
    let name = text(&format!("deploy/{}", SOCKETS[0]));
    let name = format!("--fdname={}", value(&name, "FileDescriptorName"));
    let address = own_place(20_080);
    let mut service = Command::new(activate);
    service.args(["--listen", &address, &name]).args(command(&file)).stdin(Stdio::null());
    let mut program = Program::launch("deadline-proxy", service);
    let waits = async {
        // The first connection starts the program; it is closed, and another asks.
        while TcpStream::connect(&address).await.is_err() {
            sleep(5 * MS).await;
        }
    };
    soon("a socket", waits).await;
    assert_eq!(program.address().await.to_string(), address);
    assert_eq!(curl(&[&format!("http://{address}/orders")]).await.status, 200);
    assert_eq!(upstream.request().await.path(), "/orders");
    program.address().await;
    program.terminate().await;
    let finished = program.finish().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.stderr.contains("WARN") && !finished.stderr.contains("ERROR"), "{finished:?}");
}

#[test]
fn each_socket_has_the_name_by_which_the_file_asks_for_it() {
    let file = text("deploy/deadline-proxy.toml");
    for (unit, port) in SOCKETS.into_iter().zip(["80", "443"]) {
        let unit = text(&format!("deploy/{unit}"));
        assert_eq!(value(&unit, "ListenStream"), port);
        let address = format!("address = \"fd:{}\"", value(&unit, "FileDescriptorName"));
        assert!(file.contains(&address), "{address}");
    }
}

/// With the listener over TLS that stands in it as a comment.
#[tokio::test]
async fn the_file_beside_the_unit_passes_the_check_as_it_is_and_with_tls() {
    let (folder, key) = (Folder::new(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(["shop.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let chain = folder.write("chain.pem", &certificate.pem());
    let key = folder.write("key.pem", &key.serialize_pem());
    let plain = text("deploy/deadline-proxy.toml");
    let secure = ["[[listener]]", "address", "tls"]
        .into_iter()
        .fold(plain.clone(), |file, line| file.replace(&format!("# {line}"), line));
    let secure = secure.replace("/etc/deadline-proxy/tls/chain.pem", &chain);
    let secure = secure.replace("/etc/deadline-proxy/tls/key.pem", &key);
    for (file, told) in [(plain, "ok: 1 listener, "), (secure, "ok: 2 listeners, ")] {
        let path = folder.write("deadline-proxy.toml", &file);
        let checked = Program::run("deadline-proxy", &["check", "--config", &path]).await;
        assert!(checked.code == Some(0) && checked.stdout.contains(told), "{checked:?}");
    }
}
