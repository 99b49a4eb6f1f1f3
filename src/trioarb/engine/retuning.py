"""Let another value of a setting hold in a campaign that runs."""

from __future__ import annotations

from trioarb.config.change import Change
from trioarb.engine.campaign import Campaign

__all__ = ["can_retune", "retune"]


def can_retune(campaign: Campaign, change: Change) -> bool:
    """Return whether the plugin whose setting it is takes others while it runs."""
    table = change.changed
    if table is None:
        return True
    if table.key == campaign.config.strategy.key:
        return all(getattr(task.strategy, "retunes", False) for task in campaign.symbols.values())
    return campaign.parts.guards.retunes(table.key.removeprefix("guards."))


def retune(campaign: Campaign, change: Change) -> None:
    """Give whoever reads it the new value. Synchronous: the next decision is made with it."""
    config, table, tuning = change.config, change.changed, campaign.world.tuning
    campaign.config = tuning.config = config
    campaign.parts.guards.max_concurrent_pairs = config.engine.max_concurrent_pairs
    if table is None:
        return
    if table.key == config.strategy.key:
        for symbol, task in campaign.symbols.items():
            task.retune(tuning.table(table, symbol).settings)
    else:
        name = table.key.removeprefix("guards.")
        campaign.parts.guards.retune(name, table.settings, tuning.settings_of(table))
