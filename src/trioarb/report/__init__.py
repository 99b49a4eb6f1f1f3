"""What a campaign shows: log, live view, summary, and why it did not trade."""
