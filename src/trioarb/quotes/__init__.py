"""Market data: the latest quotes, and playing tapes in campaign time."""
