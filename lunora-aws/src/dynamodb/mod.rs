//! What Lunora keeps in DynamoDB.

mod error;
