//! What a failed call on AWS means to a port.
