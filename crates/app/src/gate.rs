//! The one way in: authenticate, validate, authorize, accept.
