//! Environment variables that stand for options.

/// Stands for `--port`.
pub(crate) const PORT: &str = "OBKMQ_PORT";

/// Stands for `--data`.
pub(crate) const DATA: &str = "OBKMQ_DATA";

/// Stands for `--host`.
pub(crate) const HOST: &str = "OBKMQ_HOST";

/// Stands for `--user`.
pub(crate) const USER: &str = "OBKMQ_USER";

/// The password of that user.
pub(crate) const PASSWORD: &str = "OBKMQ_PASSWORD";

/// Stands for `--profile`.
pub(crate) const PROFILE: &str = "OBKMQ_PROFILE";

/// What a variable is set to; one that is empty is as one that is not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
