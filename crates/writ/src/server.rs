//! Puts the server together: the only place that knows every part.
//! It decides nothing and serves nothing itself.
//!
//! Always: a part that cannot start stops the start, with a sentence for the operator.

pub mod founding;
pub mod tenant;
