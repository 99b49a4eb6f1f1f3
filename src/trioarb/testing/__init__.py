"""What plugins are tested with: whole campaigns, scripted markets, and stand-ins for the engine."""

from trioarb.testing.campaign import CampaignResult, run_real, run_virtual, two_venues
from trioarb.testing.guards import FixedRisk, opportunity, utc_ns
from trioarb.testing.plugins import plugin_of
from trioarb.testing.tapes import ScriptedRow, ScriptedTape, listing, scripted_market

__all__ = [
    "CampaignResult",
    "FixedRisk",
    "ScriptedRow",
    "ScriptedTape",
    "listing",
    "opportunity",
    "plugin_of",
    "run_real",
    "run_virtual",
    "scripted_market",
    "two_venues",
    "utc_ns",
]
