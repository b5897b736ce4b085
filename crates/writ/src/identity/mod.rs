//! Who somebody is: passwords, one-time codes, emergency secrets, sign-in sessions and access tokens.
//! It never says what somebody may do, and knows nothing of HTTP.
//!
//! Always: an answer to a failed sign-in does not tell a name that exists from one that does not; a secret is written to
//! the vault before the log names it, and a secret that the log does not name proves nothing.

mod key;
pub mod password;
pub mod random;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod token;
pub mod totp;
