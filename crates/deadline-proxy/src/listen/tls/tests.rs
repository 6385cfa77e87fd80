//! What is made of files, and what is told of bad ones.

use std::fs;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::listen::tests::authority::{Authority, Files, Issued};

fn told(files: &Files) -> String {
    Certificates::load(&files.settings()).unwrap_err().to_string()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = Files::of(&Authority::new("a").issue("localhost"));
    for path in [files.settings().certificate, files.settings().key] {
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(told(&files), format!("cannot read {}: No such file or directory (os error 2)", path.display()));
        fs::write(path, kept).unwrap();
    }
}

#[test]
fn what_is_there_instead_is_told() {
    let authority = Authority::new("a");
    let Issued { certificate, key } = authority.issue("localhost");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let files =
        |certificate: &str, key: &str| Files::of(&Issued { certificate: certificate.to_owned(), key: key.to_owned() });
    for (swapped, expected, found) in [
        (files(&key, &key), "CERTIFICATE", "PRIVATE KEY"),
        (files("", &key), "CERTIFICATE", "no PEM section"),
        (files(&certificate, &certificate), "PRIVATE KEY", "CERTIFICATE"),
        (files(&certificate, &encrypted), "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        (files(&certificate, "\x30\x02\x02"), "PRIVATE KEY", "no PEM section"),
    ] {
        let settings = swapped.settings();
        let path = if expected == "CERTIFICATE" { settings.certificate } else { settings.key };
        let message =
            format!("no {expected} in {}, which has {found}; a PEM file with {expected} is expected", path.display());
        assert_eq!(told(&swapped), message);
    }
}

#[test]
fn a_file_that_breaks_off_or_holds_rubbish_is_named() {
    let authority = Authority::new("a");
    let Issued { certificate, key } = authority.issue("localhost");
    let rubbish = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (issued, start) in [
        (
            Issued { certificate: certificate[..100].to_owned(), key: key.clone() },
            "certificate.pem is not PEM as it must be",
        ),
        (Issued { certificate: certificate.clone(), key: key[..60].to_owned() }, "key.pem is not PEM as it must be"),
        (Issued { certificate: certificate.clone(), key: rubbish.to_owned() }, "key.pem: "),
        (Issued { certificate: rubbish.replace("PRIVATE KEY", "CERTIFICATE"), key }, "certificate.pem: "),
    ] {
        let message = told(&Files::of(&issued));
        assert!(message.contains(start), "{message}");
    }
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let authority = Authority::new("a");
    let Issued { certificate, .. } = authority.issue("localhost");
    let Issued { key, .. } = authority.issue("localhost");
    let message = told(&Files::of(&Issued { certificate, key }));
    assert!(
        message.starts_with("the key in /") && message.contains("is not that of the certificate in /"),
        "{message}"
    );
}

#[test]
fn authorities_that_are_none_are_told() {
    let authority = Authority::new("a");
    let files = Files::of(&authority.issue("localhost")).trusting(&authority);
    let path = files.settings().client_ca.unwrap();
    for (content, start) in
        [("", "no CERTIFICATE in "), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot use ")]
    {
        fs::write(&path, content).unwrap();
        let message = told(&files);
        assert!(message.starts_with(&format!("{start}{}", path.display())), "{message}");
    }
}

#[test]
fn a_reload_says_whether_there_is_another_and_keeps_the_old_one_where_it_is_bad() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let authority = Authority::new("a");
    let (first, second) = (authority.issue("localhost"), authority.issue("localhost"));
    let files = Files::of(&first);
    let certificates = Certificates::load(&files.settings()).unwrap();
    let in_use = certificates.config();
    let reload = || certificates.reload().map_err(|error| error.to_string());
    assert_eq!(reload(), Ok(false));

    // The one was renewed, and the other not yet.
    fs::write(files.settings().certificate, &second.certificate).unwrap();
    assert!(reload().is_err_and(|error| error.starts_with("the key in ")));
    assert!(reload().is_err(), "as long as it lasts");
    assert!(Arc::ptr_eq(&in_use, &certificates.config()));

    fs::write(files.settings().key, &second.key).unwrap();
    assert_eq!((reload(), reload()), (Ok(true), Ok(false)));
    assert!(!Arc::ptr_eq(&in_use, &certificates.config()));

    let counted = recorder.handle().render();
    for (outcome, count) in [("refused", 2), ("renewed", 1)] {
        let line = format!("deadline_proxy_certificate_reloads_total{{outcome=\"{outcome}\"}} {count}");
        assert!(counted.contains(&line), "{counted}");
    }
}

#[test]
fn what_was_bad_and_is_as_before_is_no_other() {
    let authority = Authority::new("a");
    let issued = authority.issue("localhost");
    let files = Files::of(&issued);
    let certificates = Certificates::load(&files.settings()).unwrap();
    fs::write(files.settings().key, "").unwrap();
    assert!(certificates.reload().is_err());
    files.write(&issued);
    assert!(!certificates.reload().unwrap());
}
