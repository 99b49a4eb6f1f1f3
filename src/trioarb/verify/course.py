"""The order of events: numbers, times, phases, and the stretches that a resumed campaign ran in."""

from __future__ import annotations

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignEnded, CampaignOpened, CampaignResumed, Event, PhaseEntered, Record
from trioarb.model.trade import Phase
from trioarb.model.wire import event_type
from trioarb.verify.findings import Check, Findings

__all__ = ["Course"]

_ORDER = {phase: number for number, phase in enumerate(Phase)}


class Course(Folding):
    """Where the campaign stands. ``stretches``: 1, and one more each time it was resumed.

    ``seq``, ``ts_ns``: of the last event. ``expects`` is what the next one has to be, where that is certain.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.opened: CampaignOpened | None = None
        self.ended: CampaignEnded | None = None
        self.first_ns = 0
        self.stretches = 1
        self.phase = Phase.STARTING
        self.seq = 0
        self.ts_ns = 0
        self.last: Record | None = None
        self.expects: type[Event] | None = CampaignOpened

    @property
    def is_draining(self) -> bool:
        """Whether nothing new may begin any more."""
        return self.phase is Phase.DRAINING or self.phase is Phase.CLOSED

    def complain(self, record: Record, seq: int, ts_ns: int) -> None:
        """Say what is wrong with an event's place after the event ``seq`` at ``ts_ns``; maybe nothing is."""
        if record.seq != seq + 1:
            self._findings.add(Check.SEQUENCE, record, f"follows seq {seq}")
        if record.ts_ns < ts_ns:
            self._findings.add(Check.SEQUENCE, record, f"is {ts_ns - record.ts_ns} ns earlier than the event before it")
        if self.expects is CampaignOpened:
            self.first_ns = record.ts_ns
        if self.expects is not None and not isinstance(record.event, self.expects):
            self._findings.add(Check.SEQUENCE, record, f"stands where only {event_type(self.expects)} can")
        if self.ended is None:
            self.expects = None

    def _open(self, event: CampaignOpened, record: Record) -> None:
        if self.opened is None:
            self.opened = event
        else:
            self._findings.add(Check.SEQUENCE, record, "opens the campaign a second time")

    def _resume(self, event: CampaignResumed, record: Record) -> None:
        add = self._findings.add
        if event.number != self.stretches:
            add(Check.PHASES, record, f"is resumption {event.number}, but there were {self.stretches - 1} before it")
        if event.last_seq != record.seq - 1:
            add(Check.SEQUENCE, record, f"says that the journal ended with seq {event.last_seq}")
        self.stretches += 1
        self.phase, self.ended, self.expects = Phase.STARTING, None, None

    def _enter(self, event: PhaseEntered, record: Record) -> None:
        if _ORDER[event.phase] <= _ORDER[self.phase]:
            self._findings.add(Check.PHASES, record, f"enters {event.phase.value} after {self.phase.value}")
        else:
            self.phase = event.phase

    def _end(self, event: CampaignEnded, record: Record) -> None:
        if self.phase is not Phase.CLOSED:
            self._findings.add(Check.PHASES, record, f"ends the campaign in the phase {self.phase.value}")
        self.ended, self.expects = event, CampaignResumed
