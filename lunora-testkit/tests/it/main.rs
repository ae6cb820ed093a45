//! Proves the fakes by the suites, and the suites by mutants.

mod memory;
