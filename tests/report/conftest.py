from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.clock.virtual import VirtualClock
from trioarb.config.load import load_config
from trioarb.engine.campaign import Campaign, run_campaign
from trioarb.model.event import Record, to_json_object
from trioarb.plugin.registry import load_plugins

TOP10 = Path(__file__).parents[2] / "configs" / "top10.toml"


@attrs.frozen
class Ran:
    campaign: Campaign
    events: list[dict[str, Any]]

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in types]


def run_top10(
    *overrides: str,
    plugins: Mapping[str, object] | None = None,
    on_open: Callable[[Campaign], None] = lambda campaign: None,
    observer: Callable[[Record], None] = lambda record: None,
) -> Ran:
    """Run the campaign of configs/top10.toml in virtual time."""
    loaded_plugins = load_plugins(plugins)
    loaded = load_config(TOP10, loaded_plugins, overrides=("session.clock=virtual", *overrides))
    events: list[dict[str, Any]] = []
    clock = VirtualClock()

    async def main() -> Campaign:
        return await run_campaign(
            loaded.config,
            loaded_plugins,
            clock=clock,
            observers=[lambda record: events.append(to_json_object(record)), observer],
            on_open=on_open,
            warnings=loaded.warnings,
        )

    return Ran(trio.run(main, clock=clock), events)


@pytest.fixture(scope="session")
def run() -> Callable[..., Ran]:
    return run_top10


@pytest.fixture(scope="session")
def ran() -> Ran:
    return run_top10()
