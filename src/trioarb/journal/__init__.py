"""The journal of a campaign: one ordered record of what happened."""
