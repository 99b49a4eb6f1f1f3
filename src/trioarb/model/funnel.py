"""The steps of a symbol's funnel that are counted, in its order."""

from __future__ import annotations

__all__ = ["FUNNEL_COUNTERS"]

#: What `FunnelCounted` has of them. What became of the sized ones is told by other events.
FUNNEL_COUNTERS = (
    "iterations",
    "seen",
    "refused",
    "withdrawn",
    "conflated",
    "evaluated",
    "fresh",
    "edge_positive",
    "over_threshold",
    "sized",
)
