//! The life of a process that serves: what it was told last, and how it takes on what it is told next.
//!
//! Covers a reload: everything is read, checked and made ready first, and where anything is wrong nothing has changed; then
//! all of it is exchanged at once. Listeners are known by their address: who stays keeps its sockets, who is told otherwise
//! lets its connections go gently, and who goes drains. Does not know when to reload.

use std::sync::Arc;

use super::announce::say;
use super::changes::{Changes, is_read_once};
use super::door::Door;
use super::fleet::{Fleet, Opening};
use super::generation::{Current, Generation};
use super::hand_over::{Failure, Successor};
use super::places::{meet, still_open};
use super::self_check::{self, open_all};
use super::{certificates, descriptors, files, terms};
use crate::access::{AccessLog, Flush};
use crate::admin::Board;
use crate::check::check;
use crate::cli::RunArgs;
use crate::error::Error;
use crate::limits::Limits;
use crate::listen::{self, Address, Bound, Entrance, Inherited};
use crate::proxy::{Proxy, Tending};
use crate::serve::Terms;
use crate::settings::Settings;
use crate::traces::Traces;

/// A process that serves. `M` makes the services of a proxy, one for each worker.
pub(super) struct Life<'a, S, M> {
    pub(super) args: &'a RunArgs,
    pub(super) changes: Changes,
    pub(super) settings: Settings,
    pub(super) proxy: Proxy,
    pub(super) make: M,
    pub(super) current: Current<S>,
    pub(super) terms: Terms,
    pub(super) doors: Vec<Door<S>>,
    pub(super) fleet: Fleet<S>,
    pub(super) heir: Successor,
    /// Sockets that somebody else has opened, and that no listener has taken yet.
    pub(super) inherited: Inherited,
    pub(super) tending: Tending,
    pub(super) access: Option<AccessLog>,
    /// What waits to be written is written when this is dropped: a drained proxy loses no line.
    pub(super) flush: Option<Flush>,
    /// Where spans go, for as long as the process lives.
    pub(super) traces: Option<Traces>,
    pub(super) board: Board,
    /// How many configurations have been in use.
    pub(super) number: u64,
}

/// What is ready to take the place of what is in use.
struct Next {
    settings: Settings,
    proxy: Proxy,
    access: Option<AccessLog>,
    /// Of the log, where it goes to another place.
    flush: Option<Flush>,
    /// `None`: the connections of before are under the same ones.
    terms: Option<Terms>,
    /// Of each door, by its place: what whoever comes in meets from here on; `None` where it closes.
    entrances: Vec<Option<Arc<Entrance>>>,
    opened: Vec<Bound>,
}

impl<S, M> Life<'_, S, M>
where
    S: Clone + Send + Sync + 'static,
    M: Fn(&Proxy) -> Generation<S>,
{
    /// Reads the configuration again, and serves by it from here on. Returns its number.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, a line for each reason; then everything is as it was.
    pub(super) async fn reload(&mut self) -> Result<u64, Vec<String>> {
        self.is_readable()?;
        self.changes.note();
        let settings = self.args.settings().map_err(|error| lines(&error))?;
        // A certificate that is half exchanged can be why this is refused: once it is whole, all of it is looked at again.
        let files = files(self.args, &settings);
        self.changes.follow(files.iter().cloned().chain(certificates(&settings)).collect());
        self.fits(&settings)?;
        check(&settings).map_err(|errors| errors.iter().flat_map(|error| self.of_file(error)).collect::<Vec<_>>())?;
        let next = self.prepare(settings).map_err(|error| {
            self.inherited.take_back(self.doors.iter().map(Door::address));
            self.of_file(&error)
        })?;
        self_check::names(&next.proxy).await;
        self.take_on(next).await;
        self.changes.follow(files);
        Ok(self.number)
    }

    /// Opens its first listeners. Where it `follows` another process, that one serves until this one does: nobody is let in
    /// here, or told that it starts, before it knows its upstreams.
    ///
    /// # Errors
    ///
    /// One of them cannot be listened on by a worker.
    pub(super) async fn begin(&mut self, bound: Vec<Bound>, follows: bool) -> Result<(), Error> {
        if follows {
            self.tend().await;
        }
        self.board.show(&self.settings, &self.proxy);
        for socket in self.inherited.unclaimed() {
            // WARN: whoever set the socket up expects it to be served.
            tracing::warn!("inherited socket {socket} is listened on by no --listen");
        }
        self.open(bound).await
    }

    /// From here on every listener is this process's. To be called once nothing can fail any more: until then the process
    /// before this one, if there is one, goes on with them.
    pub(super) fn take_over(&mut self) {
        self.doors.iter().for_each(|door| door.share().take());
        self.inherited.close_handed_on();
    }

    /// Looks after its upstreams from here on, once their names were asked for: what has no address is told of before
    /// anybody is told that it serves, and not by whoever asks in the background.
    pub(super) async fn tend(&mut self) {
        self_check::names(&self.proxy).await;
        self.tending.follow(&self.proxy);
    }

    /// Where it can be reached, as URLs.
    pub(super) fn places(&self) -> Vec<&str> {
        self.doors.iter().map(Door::place).collect()
    }

    /// How it is, in a line for people.
    pub(super) fn status(&self) -> String {
        format!("serving on {}", self.places().join(", "))
    }

    /// Starts the program once more, with every socket that is listened on or could be, and waits until it serves; the number of its
    /// process. Then both do. To drop the future is to end it.
    ///
    /// # Errors
    ///
    /// Why it does not serve, and this process goes on alone.
    pub(super) async fn hand_over(&self) -> Result<u32, Failure> {
        let copies = self.doors.iter().map(|door| door.share().copies()).chain([self.inherited.copies()]);
        let sockets = copies.collect::<Result<Vec<_>, _>>().map_err(|source| self.heir.failed(source))?;
        self.heir.start(sockets.into_iter().flatten().collect()).await
    }

    /// From here on every listener is another process's.
    pub(super) fn leave(&self) {
        self.doors.iter().for_each(|door| door.share().leave());
    }

    /// Lets nobody else in, and lets the workers end. What waits to be written is written when what it returns is dropped.
    pub(super) fn close(self) -> Option<Flush> {
        self.doors.iter().for_each(|door| door.close(self.settings.drain_limit));
        self.flush
    }

    async fn open(&mut self, opened: Vec<Bound>) -> Result<(), Error> {
        for bound in opened {
            let (door, openings) = Door::new(bound, &self.terms, &self.current);
            self.hand_out(&door, openings).await?;
            self.doors.push(door);
        }
        Ok(())
    }

    /// A pipe has given what was in it at the start, and would be waited for.
    fn is_readable(&self) -> Result<(), Vec<String>> {
        match self.args.config.as_deref().filter(|file| is_read_once(file)) {
            None => Ok(()),
            Some(_) => Err(self.of_file(&"it can be read once, and was; expected a file")),
        }
    }

    /// What is made at the start, and has a life of its own.
    fn fits(&self, settings: &Settings) -> Result<(), Vec<String>> {
        let fixed = |key: &str, now: &dyn ToString, told: &dyn ToString| {
            let (now, told) = (now.to_string(), told.to_string());
            let complaint = format!("{key}: {told}: it is {now} as long as this process lives; keep it, or start anew");
            (now != told).then_some(complaint)
        };
        let workers = fixed("workers", &self.settings.workers, &settings.workers);
        let admin = fixed("admin", &self.settings.admin, &settings.admin);
        let way = |settings: &Settings| settings.traces.as_ref().map_or("off".to_owned(), ToString::to_string);
        let traces = fixed("traces", &way(&self.settings), &way(settings));
        let complaints: Vec<_> = workers.into_iter().chain(admin).chain(traces).collect();
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.iter().flat_map(|text| self.of_file(text)).collect())
        }
    }

    /// Makes everything ready. What it opens is closed again where it fails.
    fn prepare(&mut self, settings: Settings) -> Result<Next, Error> {
        let limits = Limits::new(settings.limits.clone()).map_err(Error::Limits)?;
        let proxy = self.proxy.succeeded_by(&settings.proxy, &limits).map_err(Error::Proxy)?;
        let (told, new) = meet(self.doors.iter().map(Door::address), &settings.listeners);
        let follow = |(door, told): (&Door<S>, Option<&listen::Settings>)| {
            told.map(|told| door.entrance().succeeded_by(told)).transpose()
        };
        let entrances = self.doors.iter().zip(told).map(follow).collect::<Result<_, _>>().map_err(Error::Listen)?;
        let admin = Address::Tcp(self.settings.admin);
        let taken = self.doors.iter().map(Door::address).chain([&admin]);
        let opened = open_all(new, settings.workers, &mut self.inherited, taken);
        let opened = opened.map_err(|wrong| Error::Unready(still_open(wrong, &settings)))?;
        let access = match &self.access {
            Some(log) => log.succeeded_by(&settings.access),
            None => AccessLog::open(&settings.access).map(|log| log.map(|(log, flush)| (log, Some(flush)))),
        };
        let (access, flush) = access.map_err(Error::Access)?.unzip();
        let proxy = proxy.access_log(access.clone()).keep_expired(settings.expired);
        let terms = (!is_alike(&self.settings, &settings)).then(|| terms(&settings, limits, &proxy, Some(&self.terms)));
        Ok(Next { settings, proxy, access, flush: flush.flatten(), terms, entrances, opened })
    }

    /// Exchanges everything. What was under way ends as it began.
    async fn take_on(&mut self, next: Next) {
        let Next { settings, proxy, access, flush, terms, entrances, opened } = next;
        let (has_terms, drain_limit) = (terms.is_some(), settings.drain_limit);
        let stays = |door: &Door<S>, entrance: &Option<Arc<Entrance>>| {
            !has_terms && entrance.as_ref().is_some_and(|entrance| Arc::ptr_eq(entrance, door.entrance()))
        };
        let moved = self.doors.iter().zip(&entrances).filter(|(door, entrance)| !stays(door, entrance));
        moved.for_each(|(door, _)| door.hold_back(&self.current));
        self.current.begin((self.make)(&proxy));

        self.terms = terms.unwrap_or_else(|| self.terms.clone());
        for (mut door, entrance) in std::mem::take(&mut self.doors).into_iter().zip(entrances) {
            let is_as_before = stays(&door, &entrance);
            match entrance {
                None => door.close(drain_limit),
                Some(entrance) => {
                    if !is_as_before {
                        door.change(entrance, &self.terms, &self.current);
                    }
                    self.doors.push(door);
                }
            }
        }
        let opening = opened.iter().map(|bound| &bound.entrance().settings().address);
        self.inherited.take_back(self.doors.iter().map(Door::address).chain(opening));
        self.tending.follow(&proxy);
        self.replace_log(access, flush);
        if settings.limits.connections > self.settings.limits.connections {
            descriptors::raise(settings.limits.connections);
        }
        if let Some((traces, told)) = self.traces.as_ref().zip(settings.traces.as_ref()) {
            traces.keep(told.sample);
        }
        (self.settings, self.proxy) = (settings, proxy);
        self.number += 1;
        let new = self.doors.len();
        if let Err(error) = self.open(opened).await {
            // ERROR: a listener that was asked for is not open, and nobody tries again.
            tracing::error!("{error}");
        }
        say(&self.places()[new..], &self.settings);
        self.board.show(&self.settings, &self.proxy);
    }

    async fn hand_out(&self, door: &Door<S>, openings: Vec<Opening<S>>) -> Result<(), Error> {
        let failed = |source| Error::Listen(listen::Error::Listen { address: door.address().clone(), source });
        self.fleet.open(openings).await.map_err(failed)
    }

    /// What is under way writes to the log that it began with.
    fn replace_log(&mut self, access: Option<AccessLog>, flush: Option<Flush>) {
        let is_elsewhere = flush.is_some() || access.is_none();
        self.access = access;
        if is_elsewhere && let Some(before) = std::mem::replace(&mut self.flush, flush) {
            tokio::spawn(before.when_unused());
        }
    }

    /// Names the file, where there is one.
    fn of_file(&self, error: &impl ToString) -> Vec<String> {
        let file = self.args.config.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
        error.to_string().lines().map(|line| format!("{file}{line}")).collect()
    }
}

/// Each of them names the file already.
fn lines(error: &Error) -> Vec<String> {
    error.to_string().lines().map(str::to_owned).collect()
}

/// Whether a connection is served under the same terms by either.
fn is_alike(before: &Settings, after: &Settings) -> bool {
    let told =
        |settings: &Settings| (settings.limits.clone(), settings.proxy.hop.clone(), settings.proxy.forwarding.clone());
    told(before) == told(after) && before.proxy.has_tunnels() == after.proxy.has_tunnels()
}
