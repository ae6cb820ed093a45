//! AWS's own service model, and what is not so in a request by it.
