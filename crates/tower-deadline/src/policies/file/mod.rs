//! A policy set as TOML.
//!
//! Covers the form, and every way to get it wrong: all complaints of a text are told at once, each with its place.
//! A text with one complaint makes no set. Does not choose, and does not decide which limits go together.
//!
//! ```toml
//! [policy.default]                 # what no route names
//! timeout = "3s"
//!
//! [policy.report]
//! timeout = "300s"
//! max = "600s"
//! min = "5ms"
//! reserve = "50ms"
//! covers = "head"                  # or "body"
//! status = 500                     # from 400 to 599
//! pool_status = 503                # in the wait for a connection
//! mode = "observe"                 # or "enforce"
//! on_invalid = "ignore"            # or "reject"
//! on_missing = "reject"            # or "allow"
//! outgoing = "require"             # or "allow"
//!
//! [route]
//! "/reports/{id}" = "report"
//! "/shop.Reports/*" = "report"
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use http_deadline::Policy;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::complaints::Complaints;
use super::{Conflict, PolicySet, is_unnamed};

mod complaints;
mod error;
mod suggest;
mod value;

pub use self::error::{Complaint, PolicyFileError};

/// The policy that needs no table.
const DEFAULT: &str = "default";
const TABLES: [&str; 2] = ["policy", "route"];

impl PolicySet {
    /// The keys of a policy that are known here: what a table `[policy.NAME]` can say.
    #[cfg_attr(docsrs, doc(cfg(feature = "policy-toml")))]
    pub const KEYS: &'static [&'static str] = &value::KEYS;

    /// A set from TOML, with `<toml>` for the name of its file in errors.
    ///
    /// A table `[policy.NAME]` makes a policy; its keys are `timeout`, `max`, `min` and `reserve`, durations in the
    /// grammar of `X-Request-Timeout` with a unit, `covers` (`head` or `body`), `status` and `pool_status` (400 to 599), `mode`
    /// (`observe` or `enforce`), `on_invalid` (`reject` or `ignore`), `on_missing` (`allow` or `reject`) and
    /// `outgoing` (`allow` or `require`). A policy has the defaults of [`Policy::new`] for what it does not say, and nothing of `[policy.default]`. The
    /// table `[route]` leads [routes](Self::route) to policies.
    ///
    /// ```
    /// use tower_deadline::PolicySet;
    ///
    /// let error = PolicySet::from_toml("[policy.default]\ntimeout = \"3\"\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "<toml>:2:11: policy.default.timeout: \"3\" has no unit; \
    ///      expected a duration such as \"300ms\", \"1.5s\" or \"1h30m\"",
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// [`PolicyFileError`], with everything that is wrong.
    #[cfg_attr(docsrs, doc(cfg(feature = "policy-toml")))]
    pub fn from_toml(text: &str) -> Result<Self, PolicyFileError> {
        parse("<toml>", text)
    }

    /// A set from the tables `[policy.NAME]` of a text in which other tables and keys are somebody else's: they are
    /// not looked at, nor are keys of a policy that are among `others`. What is no TOML is complained of wherever it
    /// stands. `name` is that of the file, for errors.
    ///
    /// ```
    /// use tower_deadline::PolicySet;
    ///
    /// let text = "port = 80\n[policy.payment]\ntimeout = \"3s\"\nretries = 2\n";
    /// let set = PolicySet::among("shop.toml", text, &["retries"])?;
    /// assert!(set.named("payment").is_some() && set.named("report").is_none());
    /// # Ok::<_, tower_deadline::policies::PolicyFileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PolicyFileError`], with everything that is wrong.
    #[cfg_attr(docsrs, doc(cfg(feature = "policy-toml")))]
    pub fn among(name: &str, text: &str, others: &[&str]) -> Result<Self, PolicyFileError> {
        let text = unmarked(text);
        let (root, broken) = DeTable::parse_recoverable(text);
        let mut complaints = Complaints::of(text, &broken);
        let mut file = File::default();
        if let Some(value) = root.get_ref().get("policy") {
            file.read_policies(value, others, &mut complaints);
        }
        complaints.none(name)?;
        Ok(file.into_set())
    }

    /// A set from a file of TOML; see [`from_toml`](Self::from_toml). Blocks while it reads.
    ///
    /// ```no_run
    /// let set = tower_deadline::PolicySet::read("policies.toml")?;
    /// # Ok::<_, tower_deadline::policies::PolicyFileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PolicyFileError`]: the file cannot be read, or everything that is wrong in it.
    #[cfg_attr(docsrs, doc(cfg(feature = "policy-toml")))]
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PolicyFileError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => parse(&name, &text),
            Err(error) => Err(PolicyFileError::unread(&name, error)),
        }
    }
}

fn parse(name: &str, text: &str) -> Result<PolicySet, PolicyFileError> {
    let text = unmarked(text);
    let (root, broken) = DeTable::parse_recoverable(text);
    let mut complaints = Complaints::of(text, &broken);
    let mut file = File::default();
    for (key, value) in root.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref().as_table()) {
            ("policy", _) => file.read_policies(value, &[], &mut complaints),
            ("route", Some(table)) => file.read_routes(table, &mut complaints),
            ("route", None) => complaints.value(&["route"], value, value::not_a_table(value.get_ref())),
            (unknown, _) => complaints.unknown_table(&[unknown], key, &TABLES),
        }
    }
    file.check_routes(&mut complaints);
    complaints.none(name)?;
    Ok(file.into_set())
}

/// Without the mark that some editors put in front: it is no column.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// What a text says, before it is known to be right.
#[derive(Default)]
struct File<'t> {
    policies: BTreeMap<&'t str, Policy>,
    routes: Vec<(&'t str, &'t str, &'t Spanned<DeValue<'t>>)>,
}

impl<'t> File<'t> {
    fn read_policies(&mut self, value: &'t Spanned<DeValue<'t>>, others: &[&str], complaints: &mut Complaints<'_>) {
        let Some(table) = value.get_ref().as_table() else {
            return complaints.value(&["policy"], value, value::not_a_table(value.get_ref()));
        };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if is_unnamed(name) {
                let message = "a policy without a name; expected a table [policy.NAME]".to_owned();
                complaints.key(&["policy", name], key, message);
            }
            let policy = match value.get_ref().as_table() {
                Some(table) => read_policy((name, table), others, complaints),
                None => {
                    complaints.value(&["policy", name], value, value::not_a_table(value.get_ref()));
                    Policy::new()
                }
            };
            self.policies.insert(name, policy);
        }
    }

    fn read_routes(&mut self, table: &'t DeTable<'t>, complaints: &mut Complaints<'_>) {
        for (route, value) in table {
            let route = route.get_ref().as_ref();
            match value.get_ref().as_str() {
                Some(policy) => self.routes.push((route, policy, value)),
                None => complaints.value(&["route", route], value, value::not_a_name(value.get_ref())),
            }
        }
    }

    fn check_routes(&self, complaints: &mut Complaints<'_>) {
        let known = || self.policies.keys().copied().chain([DEFAULT]);
        // A table whose head is broken is not known, and is complained of already.
        let unknown = self.routes.iter().filter(|(_, policy, _)| !known().any(|known| known == *policy));
        for (route, policy, value) in unknown.filter(|_| !complaints.is_broken()).collect::<Vec<_>>() {
            let message = format!("there is no policy `{policy}`; expected the name of a table [policy.NAME]");
            complaints.value(&["route", route], value, suggest::with(message, policy, known()));
        }
    }

    /// The set, once nothing is wrong.
    fn into_set(mut self) -> PolicySet {
        let mut set = PolicySet::unchecked(self.policies.remove(DEFAULT).unwrap_or_default());
        for (name, policy) in self.policies {
            set.add(policy.named(name));
        }
        for (route, policy, _) in self.routes {
            if let Some(policy) = set.named.get(policy).cloned() {
                set.lead(route, &policy);
            }
        }
        set
    }
}

/// The policy of a table, but for keys that are somebody else's.
fn read_policy<'t>(
    (name, table): (&'t str, &'t DeTable<'t>),
    others: &[&str],
    complaints: &mut Complaints<'_>,
) -> Policy {
    let mut policy = Policy::new();
    let ours = || table.iter().filter(|(key, _)| !others.contains(&key.get_ref().as_ref()));
    for (key, value) in ours() {
        let path = ["policy", name, key.get_ref().as_ref()];
        match value::set(policy.clone(), key.get_ref(), value.get_ref()) {
            Some(Ok(set)) => policy = set,
            Some(Err(message)) => complaints.value(&path, value, message),
            None => complaints.unknown_key(&path, key, &[&value::KEYS, others].concat()),
        }
    }
    for conflict in Conflict::all(&policy) {
        if let Some(value) = table.get(conflict.key()) {
            complaints.value(&["policy", name, conflict.key()], value, conflict.to_string());
        }
    }
    policy
}

#[cfg(test)]
mod tests;
