"""Open a configuration's world for a moment, to look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from trioarb.config.load import Loaded, load_config
from trioarb.engine.campaign import Campaign
from trioarb.engine.opening import open_campaign
from trioarb.plugin.registry import load_plugins
from trioarb.time.virtual import VirtualClock

__all__ = ["look_at"]

T = TypeVar("T")


def look_at(path: Path, overrides: list[str] | None, look: Callable[[Loaded, Campaign], T]) -> T:
    """Load a configuration, open everything it names, and return what ``look`` makes of it. Nothing is traded."""
    plugins = load_plugins()
    loaded = load_config(path, plugins, overrides=overrides or ())
    clock = VirtualClock()

    async def main() -> T:
        async with open_campaign(loaded.config, plugins, clock=clock, warnings=loaded.warnings) as campaign:
            return look(loaded, campaign)

    return trio.run(main, clock=clock)
