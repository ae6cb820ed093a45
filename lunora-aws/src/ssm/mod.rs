//! What Lunora keeps in the Parameter Store of Systems Manager.

mod error;
