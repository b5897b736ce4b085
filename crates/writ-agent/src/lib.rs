//! The host agent: makes ordered sudo rights real on one Linux host, and takes them away on time.
//! It decides nothing about who may have what; it obeys signed orders within the host's own limits.
