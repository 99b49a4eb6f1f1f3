"""The journal of a campaign, and the state that is folded from it."""
