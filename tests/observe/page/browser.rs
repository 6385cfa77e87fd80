//! A real browser without a window: Chromium, told what to do by WebDriver.

use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::sleep;

use crate::support::{Folder, MS, Program, soon};

/// A browser takes a core and a part of the memory: one at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// What a key that writes nothing is called.
pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";

pub(super) struct Browser {
    client: Client,
    session: String,
    /// The process of the browser itself.
    process: Option<u64>,
    _driver: Program,
    _profile: Folder,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    pub(super) async fn start() -> Self {
        let turn = TURN.lock().await;
        let (mut driver, profile) = (chromedriver(), Folder::new());
        let port = loop {
            let line = driver.line().await;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let client = Client::builder().no_proxy().build().expect("a client can be made");
        let data = format!("--user-data-dir={}", profile.path().display());
        let switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            &data,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": { "args": switches },
        } } });
        let driver_at = format!("http://127.0.0.1:{port}/session");
        let answer = asked(&client, &driver_at, &wanted).await.unwrap_or_else(|error| {
            panic!("chromedriver starts no chromium: {error}; `cargo xtask test` installs both")
        });
        let session = format!("{driver_at}/{}", answer["sessionId"].as_str().expect("a session has an id"));
        let process = answer["capabilities"]["goog:processID"].as_u64();
        Self { client, session, process, _driver: driver, _profile: profile, _turn: turn }
    }

    pub(super) async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// What a piece of JavaScript returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What an expression is.
    pub(super) async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}")).await
    }

    /// The text of the first element that a selector finds; empty where there is none.
    pub(super) async fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.textContent", json!(selector))).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub(super) async fn until(&self, expression: &str) {
        let wait = async {
            while self.value(expression).await != json!(true) {
                sleep(20 * MS).await;
            }
        };
        if tokio::time::timeout(15_000 * MS, wait).await.is_err() {
            panic!("never: {expression}; the page: {}", self.text("body").await);
        }
    }

    /// Presses these keys, one after the other.
    pub(super) async fn press(&self, keys: &[&str]) {
        let press = |key: &&str| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions: Vec<_> = keys.iter().flat_map(press).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }))
            .await;
    }

    /// Shows so much of a page, as a phone does where it is narrow.
    pub(super) async fn size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Says that whoever looks prefers this: `name` is of a media feature.
    pub(super) async fn prefer(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// They are not what a picture is for.
    pub(super) async fn hide_scrollbars(&self) {
        self.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
    }

    /// What is shown, as PNG.
    pub(super) async fn picture(&self) -> Vec<u8> {
        let told = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        STANDARD.decode(told["data"].as_str().expect("a picture has data")).expect("it is base64")
    }

    /// What the console has told since the last time, but for what is only said: errors, warnings, and what a policy
    /// has kept from running.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let told = self.post("se/log", json!({ "type": "browser" })).await;
        told.as_array().expect("a log is a list").iter().map(|entry| entry["message"].to_string()).collect()
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    async fn post(&self, what: &str, body: Value) -> Value {
        let answer = asked(&self.client, &format!("{}/{what}", self.session), &body).await;
        answer.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

impl Drop for Browser {
    /// The driver goes by itself, and would leave the browser behind.
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let kill = format!("kill -KILL {process}");
            let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        }
    }
}

fn chromedriver() -> Program {
    for name in ["chromium", "chromedriver"] {
        let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(found.is_ok(), "{name} is missing; `cargo xtask test` installs it");
    }
    let mut command = tokio::process::Command::new("chromedriver");
    command.arg("--port=0").stdin(Stdio::null());
    Program::launch("chromedriver", command)
}

async fn asked(client: &Client, url: &str, body: &Value) -> Result<Value, String> {
    let answer = soon("the browser", client.post(url).body(body.to_string()).send()).await;
    let text = soon("the browser", answer.map_err(|error| error.to_string())?.text()).await;
    let text = text.map_err(|error| error.to_string())?;
    let mut told: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    match told["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", told["value"]["message"])),
        None => Ok(told["value"].take()),
    }
}
