"""Exposure, losses, and the tiers of guards that every entry has to pass."""
