//! The examples are the files beside this one; this file is empty because a package needs a target that
//! every command builds.
