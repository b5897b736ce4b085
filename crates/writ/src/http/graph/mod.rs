//! Microsoft Graph's resources, in Graph's words and shapes: a request becomes a command or a query, and what comes
//! back becomes an answer. No rule about who may do or see what is in here: writing is judged by the core's
//! `decide`, reading by its `may`.

pub mod body;
pub mod odata;
pub mod page;
