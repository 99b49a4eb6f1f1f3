"""The state of a campaign: what is folded from its journal, one event after the other."""
