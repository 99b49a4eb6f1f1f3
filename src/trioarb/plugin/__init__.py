"""What a plugin offers (specs), what it implements (contracts), and how plugins are found (registry)."""
