"""One campaign: its scope, its symbols' tasks, and its ordered end."""
