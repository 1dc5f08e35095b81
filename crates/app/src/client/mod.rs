//! How the command line talks to a runner: tokens, requests, the event stream.
