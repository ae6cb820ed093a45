//! What a failed call on DynamoDB means to a port.
