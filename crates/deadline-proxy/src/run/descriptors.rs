//! How many files and sockets the process may have open.
//!
//! Covers raising that as far as the process may, and a warning where it is too few for the connections that it is told
//! to take. Who starts it often leaves it with 1 024, for the sake of programs that cannot count further.

use rlimit::{Resource, getrlimit, increase_nofile_limit};

/// What is open beside connections: listeners of each worker, logs, the runtimes' own.
const BESIDE: u64 = 256;

/// Raises what it may have, and warns where that is not enough for so many connections of clients.
pub(super) fn raise(connections: usize) {
    // Where the system does not say, it is what it was.
    let allowed = increase_nofile_limit(u64::MAX).or_else(|_| getrlimit(Resource::NOFILE).map(|(soft, _)| soft));
    if let Some(warning) = allowed.ok().and_then(|allowed| warning(connections, allowed)) {
        // WARN: fewer connections fit than were asked for.
        tracing::warn!("{warning}");
    }
}

/// Connections to upstreams are not in it: they are kept and shared, so there can be anything from none to as many again.
fn warning(connections: usize, allowed: u64) -> Option<String> {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    (allowed < needed).then(|| {
        format!(
            "limits.max_connections is {connections}, and the system allows {allowed} open files, which is too few \
             for them: raise it (LimitNOFILE= of a unit, ulimit -n), or lower the limit; twice as many are safe"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_few_for_the_connections_is_told_with_both_numbers() {
        assert_eq!(warning(1_000, 1_256), None);
        let told = warning(1_000, 1_255).unwrap();
        assert!(told.starts_with("limits.max_connections is 1000, and the system allows 1255 open files"), "{told}");
        assert!(warning(usize::MAX, u64::MAX).is_none());
    }
}
