//! Which of the listeners that are told is which of those that stand.
//!
//! Covers the comparison by address, and what is said where one is in the way of another. Opens nothing.

use crate::error::Error;
use crate::listen::{self, Address};
use crate::settings::Settings;

/// What each of these addresses is told from here on, in their order, and what is told to none of them. Of several that are
/// alike (port 0 is another each time) each meets one.
pub(super) fn meet<'a, 'b>(
    addresses: impl Iterator<Item = &'a Address>,
    listeners: &'b [listen::Settings],
) -> (Vec<Option<&'b listen::Settings>>, Vec<&'b listen::Settings>) {
    let mut new: Vec<_> = listeners.iter().collect();
    let mut meet = |address: &Address| {
        let found = new.iter().position(|listener| listener.address == *address)?;
        Some(new.remove(found))
    };
    (addresses.map(&mut meet).collect(), new)
}

/// What has one of the addresses may be about to leave it, which helps nobody yet.
pub(super) fn still_open(wrong: Vec<Error>, settings: &Settings) -> Vec<Error> {
    let stays = |other: &Address| settings.listeners.iter().any(|listener| listener.address == *other);
    let still_open = |error| match error {
        Error::OwnAddress { address, other } if !stays(&other) => Error::StillOpen { address, other },
        other => other,
    };
    wrong.into_iter().map(still_open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Side, Strangers};

    fn at(addresses: &[&str]) -> Vec<Address> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn each_listener_meets_one_of_its_address_and_the_rest_is_new() {
        let anywhere = "127.0.0.1:0";
        let mut listeners: Vec<_> =
            at(&[anywhere, "127.0.0.1:1", anywhere, anywhere]).into_iter().map(listen::Settings::new).collect();
        listeners[2].side = Side::Edge(Strangers::Drop);
        let doors = at(&["127.0.0.1:2", anywhere, anywhere]);
        let (told, new) = meet(doors.iter(), &listeners);
        assert_eq!(told, [None, Some(&listeners[0]), Some(&listeners[2])]);
        assert_eq!(new, [&listeners[1], &listeners[3]]);
    }
}
