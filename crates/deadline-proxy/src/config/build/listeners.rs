//! Where requests come in.

use std::collections::HashSet;

use super::{Context, process};
use crate::client::{Side, Strangers};
use crate::config::file::{self, File, SideOf, StrangersOf};
use crate::config::path::Path;
use crate::config::value::Text;
use crate::listen::{self, Address, ServerTls};

/// Every listener, the one that there is by default among them.
pub(super) fn all(file: &File, context: Context<'_>) -> Vec<listen::Settings> {
    let Some(tables) = file.listener.get().filter(|tables| !tables.is_empty()) else {
        return vec![listen::Settings::new(Address::Tcp(([127, 0, 0, 1], 8080).into()))];
    };
    let mut taken = HashSet::from([Address::Tcp(process::admin(file))]);
    let mut listeners = Vec::new();
    for (nth, table) in tables.iter().enumerate() {
        let Some(table) = table.get() else { continue };
        let above = Path::Root.key("listener");
        let path = above.element(nth);
        let Some(listener) = listener(table, &path, context) else { continue };
        // The system never chooses one port twice.
        let is_chosen = matches!(&listener.address, Address::Tcp(address) if address.port() == 0);
        if !is_chosen && !taken.insert(listener.address.clone()) {
            let message = format!("{} is taken already; expected another address for each listener", listener.address);
            context.complaints.value(&path.key("address"), message);
        }
        listeners.push(listener);
    }
    listeners
}

fn listener(table: &file::Listener, path: &Path<'_>, context: Context<'_>) -> Option<listen::Settings> {
    let complaints = context.complaints;
    complaints.missing(path, "address", "a listener without an address; expected one such as \"127.0.0.1:8080\"");
    let strangers = table.strangers.get().map(|strangers| match strangers {
        StrangersOf::Cap => Strangers::Cap,
        StrangersOf::Drop => Strangers::Drop,
    });
    let side = match table.side.get() {
        Some(SideOf::Edge) => Side::Edge(strangers.unwrap_or_default()),
        Some(SideOf::Internal) | None => Side::Internal,
    };
    if strangers.is_some() && side == Side::Internal && !context.is_wrong(&table.side, &path.key("side")) {
        complaints.key(
            &path.key("strangers"),
            "means nothing where nobody is a stranger; expected side = \"edge\" beside it",
        );
    }
    let tls = table.tls.get().and_then(|tls| server_tls(tls, &path.key("tls"), context));
    let Text(address) = table.address.get()?;
    let proxy_protocol =
        table.proxy_protocol_from.get().map(|peers| peers.iter().map(|(_, peers)| peers.clone()).collect());
    Some(listen::Settings { address: address.clone(), tls, proxy_protocol, side })
}

fn server_tls(table: &file::ListenerTls, path: &Path<'_>, context: Context<'_>) -> Option<ServerTls> {
    context
        .complaints
        .missing(path, "cert", "TLS without a certificate; expected the path of a PEM file");
    context.complaints.missing(path, "key", "TLS without a key; expected the path of a PEM file");
    let (Text(certificate), Text(key)) = (table.cert.get()?, table.key.get()?);
    let client_ca = table.client_ca.get().map(|Text(file)| file.path().to_owned());
    Some(ServerTls { certificate: certificate.path().to_owned(), key: key.path().to_owned(), client_ca })
}
