"""The command line. Commands are synchronous; each makes its own Trio run, with the clock that the session wants."""
