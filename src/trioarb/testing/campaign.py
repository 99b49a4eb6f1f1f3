"""Whole campaigns in a test, in virtual time or for some real seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import tomli
import trio

from trioarb.api import Record
from trioarb.config.load import load_table
from trioarb.config.plugin_files import plugins_of_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.wire import to_json_object
from trioarb.time.virtual import VirtualClock

__all__ = ["CampaignResult", "run_real", "run_virtual", "two_venues"]

_LONGEST_SECONDS = Decimal(3600)


@attrs.frozen(kw_only=True)
class CampaignResult:
    """A campaign that has ended.

    Attributes:
        campaign: What it was; for a look at what has no other place here.
        events: The JSON objects that ``--events`` would have written, in order.
        records: The same as values.
    """

    campaign: Campaign
    events: tuple[Mapping[str, Any], ...]
    records: tuple[Record, ...]

    @property
    def exit_code(self) -> int:
        """What `trioarb run` would have returned."""
        return self.campaign.exit_code

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was questionable about the configuration, and what it opened."""
        return self.campaign.warnings

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often entries were refused, by ``tier.rule``."""
        return dict(self.campaign.state.statistics.by_rule)

    def of_type(self, name: str) -> list[Mapping[str, Any]]:
        """Return the events of one type.

        Args:
            name: Such as ``decided`` or ``position_closed``.
        """
        return [event for event in self.events if event["type"] == name]


def run_virtual(
    config: str | Mapping[str, Any],
    *,
    plugins: Mapping[str, object] | None = None,
    overrides: Sequence[str] = (),
) -> CampaignResult:
    """Run a whole campaign in virtual time, and return it once it has ended.

    The clock is virtual whatever the configuration says, and without ``max_runtime_seconds`` the campaign ends after an
    hour of its time. Calls `trio.run`: use it in plain functions, not in ``async`` tests.

    Args:
        config: TOML text, or a table as `two_venues` returns it.
        plugins: Modules or objects with hooks, by a name for errors, that are registered beside the installed ones.
        overrides: ``table.key=value``, as for ``--set``.

    Raises:
        TrioarbError: The configuration or a plugin is wrong, or something can't be opened.
    """
    return _run(
        config,
        plugins,
        [*overrides, 'session.clock="virtual"', "session.speed=1"],
        VirtualClock(),
    )


def run_real(
    config: str | Mapping[str, Any],
    *,
    seconds: float | Decimal,
    plugins: Mapping[str, object] | None = None,
    overrides: Sequence[str] = (),
) -> CampaignResult:
    """Run a campaign for some real seconds, and return it once it has ended; otherwise as `run_virtual`.

    For plugins that talk to the outside, whose specs say ``live``. The clock is real whatever the configuration says.

    Args:
        config: TOML text, or a table as `two_venues` returns it.
        seconds: It may end before they are over, and closing comes on top of them.
        plugins: Modules or objects with hooks, by a name for errors, that are registered beside the installed ones.
        overrides: ``table.key=value``, as for ``--set``.

    Raises:
        TrioarbError: The configuration or a plugin is wrong, or something can't be opened.
    """
    limit = f"session.max_runtime_seconds={Decimal(str(seconds))}"
    return _run(config, plugins, [*overrides, 'session.clock="real"', "session.speed=1", limit], None)


def _run(
    config: str | Mapping[str, Any],
    plugins: Mapping[str, object] | None,
    overrides: Sequence[str],
    clock: VirtualClock | None,
) -> CampaignResult:
    table = tomli.loads(config, parse_float=Decimal) if isinstance(config, str) else config
    registered = plugins_of_table(table, extra=plugins)
    loaded = load_table(table, registered, overrides=overrides, environment=os.environ)
    if loaded.config.session.max_runtime_seconds is None:
        loaded = load_table(
            table, registered, overrides=overrides, runtime_seconds=_LONGEST_SECONDS, environment=os.environ
        )
    records: list[Record] = []
    run = partial(
        run_campaign,
        clock=clock,
        observers=[records.append],
        warnings=loaded.warnings,
    )
    campaign = trio.run(run, loaded.config, registered, clock=clock)
    events = tuple(to_json_object(record) for record in records)
    return CampaignResult(campaign=campaign, events=events, records=tuple(records))


def two_venues(plugin: str = "scripted") -> dict[str, Any]:
    """Return a fresh table of a small campaign, to be changed at will.

    Paper venues ``a`` and ``b`` with funds and inventory trade every USDT symbol, evaluated at every quote. The
    exchange tier is off: a script that ends before another one is no venue that died.

    Args:
        plugin: The name of the source, and of the market data of both.
    """
    return {
        "session": {"clock": "virtual", "loop_interval_ms": 0},
        "universe": {"source": plugin, "mode": "FULL_MARKET"},
        "exchanges": {
            venue: {
                "market": {"plugin": plugin},
                "balances": {"USDT": "100000"},
                "inventory_usd_per_symbol": 5_000,
            }
            for venue in ("a", "b")
        },
        "strategy": {},
        "guards": {"exchange": {"enabled": False}},
    }
