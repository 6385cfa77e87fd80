//! A Prometheus, as a program.

use std::fmt::Write;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::sleep;

use super::missing;
use crate::support::{Folder, MS, Program, curl, own_place, soon};

/// Scrapes twice a second, into a folder of its own. Killed when this is dropped.
pub(super) struct Prometheus {
    address: String,
    _program: Program,
    _folder: Folder,
}

impl Prometheus {
    /// Scrapes these jobs, and keeps to these rules. The port is one that no other test names.
    pub(super) async fn scraping(jobs: &[(&str, SocketAddr)], rules: &str, port: u16) -> Self {
        let (folder, address) = (Folder::new(), own_place(port));
        folder.write("rules.yml", rules);
        let mut config =
            "global: { scrape_interval: 500ms, evaluation_interval: 500ms }\nrule_files: [rules.yml]\nscrape_configs:\n"
                .to_owned();
        for (name, target) in jobs {
            writeln!(config, "  - {{ job_name: {name}, static_configs: [{{ targets: [\"{target}\"] }}] }}")
                .expect("a string takes it");
        }
        match std::process::Command::new("prometheus").arg("--version").output() {
            Err(error) if error.kind() == ErrorKind::NotFound => panic!("{}", missing("prometheus")),
            version => assert!(version.expect("prometheus can be run").status.success()),
        }
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", folder.write("prometheus.yml", &config)))
            .arg(format!("--storage.tsdb.path={}", folder.of("data")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null());
        let prometheus = Self { address, _program: Program::launch("prometheus", command), _folder: folder };
        let ready = async {
            while curl(&[&prometheus.url("/-/ready")]).await.status != 200 {
                sleep(20 * MS).await;
            }
        };
        soon("prometheus", ready).await;
        prometheus
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What its interface says of this.
    pub(super) async fn says(&self, path: &str) -> Value {
        let answer = curl(&[&self.url(&format!("/api/v1/{path}"))]).await.json();
        assert_eq!(answer["status"], "success", "{answer:#}");
        answer["data"].clone()
    }

    /// The values of an expression now.
    pub(super) async fn values(&self, expression: &str) -> Vec<f64> {
        let query = format!("query={expression}");
        let answer = curl(&["--data-urlencode", &query, &self.url("/api/v1/query")]).await.json();
        assert_eq!(answer["status"], "success", "{expression}: {answer:#}");
        let series = answer["data"]["result"].as_array().expect("series").iter();
        series
            .map(|series| series["value"][1].as_str().and_then(|value| value.parse().ok()).expect("a number"))
            .collect()
    }
}
