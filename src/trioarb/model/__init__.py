"""Values and vocabulary. Nothing here waits, and nothing here imports trio."""
