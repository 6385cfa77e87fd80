//! The names of what is counted, in one place.

pub(super) const REQUESTS: &str = "deadline_requests_total";
pub(super) const EXCEEDED: &str = "deadline_exceeded_total";
pub(super) const BUDGET: &str = "deadline_budget_seconds";
pub(super) const HEADROOM: &str = "deadline_headroom_seconds";
pub(super) const OVERRUN: &str = "deadline_overrun_seconds";
pub(super) const TRUNCATED: &str = "deadline_truncated_total";
pub(super) const INVALID: &str = "deadline_invalid_total";
pub(super) const ATTEMPTS: &str = "deadline_attempts_total";
pub(super) const UNSENT: &str = "deadline_unsent_total";
pub(super) const MISSING: &str = "deadline_missing_total";
pub(super) const LOST: &str = "deadline_lost_total";
pub(super) const LOCAL_LIMITS: &str = "deadline_local_limits_total";
pub(super) const TASKS_ABORTED: &str = "deadline_tasks_aborted_total";
pub(super) const CANCELLATIONS: &str = "deadline_cancellations_total";
pub(super) const WOULD_REFUSE: &str = "deadline_would_refuse_total";
pub(super) const WOULD_EXCEED: &str = "deadline_would_exceed_total";
pub(super) const WOULD_WITHHOLD: &str = "deadline_would_withhold_total";
