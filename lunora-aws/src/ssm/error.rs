//! What a failed call on the Parameter Store means to a port.
