//! Fields that an upstream of the CGI kind cannot tell from another: it knows no `-`, and so `-` and `_` as one.

use http::{HeaderMap, HeaderName};

/// Removes this field, and each that such an upstream takes for it.
pub(crate) fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    let theirs: Vec<_> = headers.keys().filter(|theirs| looks_like(theirs, name)).cloned().collect();
    for theirs in theirs {
        headers.remove(theirs);
    }
}

fn looks_like(theirs: &HeaderName, name: &HeaderName) -> bool {
    let plain = |byte| if byte == b'_' { b'-' } else { byte };
    theirs.as_str().bytes().map(plain).eq(name.as_str().bytes().map(plain))
}
