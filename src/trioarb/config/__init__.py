"""From a TOML file to checked settings, with every problem reported at once."""
