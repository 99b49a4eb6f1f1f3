"""The conformance kit: numbered cases that say, offline, whether a plugin does what its contract asks for.

A plugin's test is three lines, by the pytest fixture ``conformance``; `trioarb plugins check NAME` runs the same.
"""

from trioarb.testing.conformance.case import Case, Cases, Failed, NotOffered, Outcome, Verdict, expect, not_offered
from trioarb.testing.conformance.judging import judge
from trioarb.testing.conformance.kinds import KINDS, Kind, kind_named
from trioarb.testing.conformance.report import Report
from trioarb.testing.conformance.stage import ChannelStage, Level, Stage, Trouble
from trioarb.testing.conformance.subject import Subject, Trial

__all__ = [
    "KINDS",
    "Case",
    "Cases",
    "ChannelStage",
    "Failed",
    "Kind",
    "Level",
    "NotOffered",
    "Outcome",
    "Report",
    "Stage",
    "Subject",
    "Trial",
    "Trouble",
    "Verdict",
    "expect",
    "judge",
    "kind_named",
    "not_offered",
]
