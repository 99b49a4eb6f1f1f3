"""Settings classes: typed keys with units, strict conversion from TOML values, and problems that name the key."""
