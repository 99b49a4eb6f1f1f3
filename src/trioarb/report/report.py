"""What every report of a campaign is made of, be it running, ended, or read from a journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import structlog

from trioarb.config.schema import Config
from trioarb.model.number import text
from trioarb.model.trade import EndedBy
from trioarb.plugin.contract import GuardTier
from trioarb.report.margins import described
from trioarb.report.plain import to_plain
from trioarb.state.state import State
from trioarb.state.statistics import Statistics
from trioarb.state.telemetry import Telemetry
from trioarb.survey.sensitivity import Sensitivity
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Report", "tier_figures"]


@attrs.frozen(kw_only=True)
class Report:
    """The configuration, what was folded from the journal, and what guard tiers say of themselves, by their names.

    ``sensitivity``: what it would have earned with other latencies, where that was asked for.
    ``at_ns`` is the time of which it is. ``telemetry`` is absent where another process ran the campaign. ``head`` is
    ``SEQ:HASH`` of the journal's last event, where that is known. ``error`` and ``exit_code`` are those of the process;
    a journal's own are the default. ``journaled`` is the configuration as a journal keeps it, without secrets, and
    ``torn`` how many bytes of a step that was cut off, or is just being written, stand behind its last event; both of
    what was read from a journal only.
    """

    config: Config
    state: State
    at_ns: int
    tier_figures: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    telemetry: Telemetry | None = None
    sensitivity: Sequence[Sensitivity] = ()
    head: str = ""
    journaled: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    torn: int = 0
    error: str = attrs.field()
    exit_code: int | None = attrs.field()

    @error.default
    def _journaled_error(self) -> str:
        ended = self.state.statistics.ended
        return "" if ended is None else ended.error

    @exit_code.default
    def _journaled_exit_code(self) -> int | None:
        ended = self.state.statistics.ended
        return None if ended is None else self.state.exit_code(error=ended.error, problems=ended.problems)

    @property
    def statistics(self) -> Statistics:
        return self.state.statistics

    @property
    def campaign_id(self) -> str:
        opened = self.statistics.opened
        return "" if opened is None else opened.campaign_id

    @property
    def ended_by(self) -> EndedBy | None:
        return self.statistics.ended_by

    @property
    def problems(self) -> tuple[str, ...]:
        ended = self.statistics.ended
        return () if ended is None else ended.problems

    @property
    def recovered(self) -> tuple[str, ...]:
        ended = self.statistics.ended
        return () if ended is None else ended.recovered

    @property
    def runtime_seconds(self) -> Decimal:
        """Campaign time in which it ran, over all stretches."""
        return Decimal(self.statistics.ran_ns(self.at_ns)) / SECOND_NS

    @property
    def notes(self) -> list[str]:
        """What margin accounts and contracts leave out of the figures, or put into them."""
        opened = self.statistics.opened
        interest = {} if opened is None or opened.interest is None else opened.interest
        notes = [
            f"exchanges.{venue}: margin account; "
            + (
                f"interest of {text(interest[venue])} bps a day is charged on what is borrowed"
                if venue in interest
                else "no interest is charged on what is borrowed"
            )
            for venue in (() if opened is None else opened.margin)
        ]
        return notes + [f"exchanges.{venue}: {what}" for venue, what in self._contracts().items()]

    def _contracts(self) -> dict[str, str]:
        """Return how contracts are margined at each venue that lists some, and what is paid for holding them."""
        margins, found = self.state.margins, dict[str, str]()
        for symbol, by_venue in self.statistics.instruments.items():
            for venue in by_venue:
                terms = margins.terms(venue, symbol)
                if terms is None or venue in found:
                    continue
                found[venue] = described(terms)
        return found

    def highest_edge_bps(self, symbol: str) -> float | None:
        """Return the highest edge of a symbol as it was last counted."""
        one = self.statistics.symbols.get(symbol)
        return None if one is None or one.funnel is None else one.funnel.highest_edge_bps

    def figures_of(self, what: str) -> dict[str, Mapping[str, Any]]:
        """Return what guard tiers say of each venue (``what`` = ``venues``) or symbol (``symbols``)."""
        merged: dict[str, Mapping[str, Any]] = {}
        for tier, figures in self.tier_figures.items():
            found = figures.get(what)
            if isinstance(found, Mapping):
                for name, one in found.items():
                    merged[name] = {**merged.get(name, {}), **(one if isinstance(one, Mapping) else {tier: one})}
        return merged


def tier_figures(tiers: Mapping[str, GuardTier], now_ns: int) -> dict[str, Mapping[str, Any]]:
    """Ask guard tiers what they say of themselves, in JSON's types."""
    return {name: _figures(name, tier, now_ns) for name, tier in tiers.items()}


def _figures(name: str, tier: GuardTier, now_ns: int) -> Mapping[str, Any]:
    try:
        # How near a limit is at one moment says nothing of a run.
        return {name: one for name, one in dict(to_plain(tier.stats(now_ns))).items() if name != "head_room"}
    except Exception as error:
        # The trades of a whole campaign must not be lost because one tier can't describe itself.
        structlog.get_logger("trioarb.report").exception("guard tier's figures can't be had", tier=name)
        return {"error": f"{type(error).__name__}: {error}"}
