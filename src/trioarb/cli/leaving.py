"""Leave the process when a campaign can't end itself: its journal is closed, and its summary written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import attrs

from trioarb.cli.folded import report_on
from trioarb.cli.output import abandon, write_json
from trioarb.engine.campaign import Campaign
from trioarb.errors import JournalError, describe
from trioarb.journal.recorded import claim
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import OrderUnknown, Record
from trioarb.report.console import LastingConsole
from trioarb.report.report import Report
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary
from trioarb.state.state import State

__all__ = ["Leaving"]

_ERROR = 1


@attrs.define
class Leaving:
    """How a process leaves whose Trio thread may be held: nothing here touches what that works on, but the file.

    ``give_back`` gives the terminal back that somebody draws on.
    """

    journal: Path
    summary: Path | None
    console: LastingConsole
    #: Tells people of it, at last: called with why, and the campaign if there is one; it takes some seconds at most.
    tell: Callable[[str, Campaign | None], None] = lambda why, campaign: None
    code: int = _ERROR
    give_back: Callable[[], None] = lambda: None

    def leave(self, why: str, campaign: Campaign | None) -> None:
        """Close the journal, print the summary that it gives, and end the process."""
        if campaign is not None:
            why = campaign.config.redactor.text(why)
        self.give_back()
        try:
            if campaign is None:
                self.console.say(f"error: {why}; no campaign was begun", style="red")
            else:
                self._finish(why, campaign)
        except Exception as error:
            self.console.say(f"error: {why}; and the journal can't be closed: {describe(error)}", style="red")
        try:
            self.tell(why, campaign)
        except BaseException as error:
            self.console.say(f"error: nobody could be told: {describe(error)}", style="red")
        finally:
            self.exit_now()

    def exit_now(self) -> None:
        """End the process without another word."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)

    def _finish(self, why: str, campaign: Campaign) -> None:
        writer = campaign.parts.journal.writer
        if writer is None:
            return
        writer.abandon()
        try:
            unknown = _close(self.journal)
        except JournalError as error:
            self.console.say(f"error: {why}; {error}", style="red")
            return
        if unknown:
            why += f"; what became of {unknown} orders under way is unknown: `trioarb resume {self.journal}` asks"

        def tell(report: Report) -> None:
            ended = attrs.evolve(report, error=why, exit_code=self.code)
            if self.summary is not None:
                write_json(self.summary, report.config.redactor.value(summarise(ended)))
            try:
                print_summary(LastingConsole(), ended)
                sys.stdout.flush()
            except OSError:
                abandon(sys.stdout)

        try:
            report_on(self.journal, tell, has_figures=False)  # a plugin may be what could not end
        finally:
            self.console.say(f"error: {why}", style="red")
            self.console.say(f"journal: {self.journal}")


def _close(path: Path) -> int:
    """Record of each order under way that what became of it is unknown; return how many there are."""
    state = State()
    with claim(path) as claimed:
        for record in claimed.records():
            state.apply(record)
        writer = JournalWriter(claimed.go_on(), last_seq=claimed.last_seq, each_order=True, inline=True)
        open_orders = state.trades.orders.values()
        for number, order in enumerate((one for one in open_orders if not one.is_unknown), claimed.last_seq + 1):
            event = OrderUnknown(client_order_id=order.submitted.client_order_id, reason="the process had to leave")
            writer.append(Record(number, claimed.last_ts_ns, event))
        writer.end_step()
        writer.let_go()
        return len(open_orders)
