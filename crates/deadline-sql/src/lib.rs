//! No SQL statement outlives its request.
