"""`trioarb alerts`: try the channels of a configuration, or list its rules."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import trio
from cyclopts import Parameter

from trioarb.alerting.trial import send_at_once
from trioarb.cli.options import ANY_CASE, AsJson, ConfigFile, Overrides, PluginFiles
from trioarb.cli.output import print_json
from trioarb.config.load import load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.config.schema import ChannelTable, Config
from trioarb.errors import ConfigError
from trioarb.model.alert import Alert, Severity
from trioarb.model.number import text
from trioarb.plugin.registry import Plugins
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.visible import say
from trioarb.settings.problem import Problem, nearest

__all__ = ["alerts"]

_CAMPAIGN = "(a test)"


def alerts(
    what: Annotated[
        Literal["test", "list"],
        ANY_CASE,
        Parameter(help="test: send a message by each channel; list: print rules and channels."),
    ],
    config: ConfigFile,
    /,
    *,
    channel: Annotated[
        list[str] | None, Parameter(negative="", help="Only the channel of this name. Can be repeated.")
    ] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """Return 0 if every message was delivered; 1 if one wasn't."""
    plugins = plugins_for(config, plugin)
    loaded = load_config(config, plugins, overrides=overrides or (), environment=os.environ)
    chosen = _chosen(loaded.config, channel or (), str(config))
    if what == "list":
        listed = _listed(loaded.config, chosen)
        if as_json:
            print_json(listed)
        else:
            for line in _lines(loaded.config, chosen):
                say(line)
        return 0
    configure_logging(loaded.config.log_level, LastingConsole(stderr=True), None, loaded.config.redactor)
    results = trio.run(_test, loaded.config, plugins, chosen)
    if as_json:
        print_json({name: {"delivered": not why, "error": why or None} for name, why in results.items()})
    else:
        for name, why in results.items():
            say(f"{name}: {f'not delivered: {why}' if why else 'delivered'}")
    return 1 if any(results.values()) else 0


def _chosen(config: Config, names: Sequence[str], file: str) -> tuple[ChannelTable, ...]:
    """Return the channels with these names; all of them, if there are none.

    Raises:
        ConfigError: there is no such channel, or none at all.
    """
    known = [one.name for one in config.channels]
    if not known:
        raise ConfigError(
            [Problem(file=file, key="channels", message="neither channels nor rules", remedy="docs/alerts.md has some")]
        )
    problems = [
        Problem(
            file="--channel",
            message="there is no channel of this name",
            value=name,
            allowed=", ".join(known),
            suggestion=nearest(name, known),
        )
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
    return tuple(one for one in config.channels if not names or one.name in names)


async def _test(config: Config, plugins: Plugins, channels: Sequence[ChannelTable]) -> dict[str, str]:
    test = Alert(
        rule="test",
        incident="test",
        severity=Severity.INFO,
        about="",
        text="this is a test; nothing has happened",
        at_ns=time.time_ns(),
    )
    return await send_at_once(config, plugins, channels, test, _CAMPAIGN)


def _listed(config: Config, channels: Sequence[ChannelTable]) -> dict[str, Any]:
    return {
        "channels": {one.name: {"plugin": one.table.plugin} for one in channels},
        "rules": [
            {
                "rule": rule.name,
                "on": rule.on,
                "severity": rule.severity.value,
                "channels": sorted(rule.channels),
                "throttle_seconds": text(rule.table.throttle_seconds),
            }
            for rule in config.alerts
        ],
    }


def _lines(config: Config, channels: Sequence[ChannelTable]) -> Iterator[str]:
    for one in channels:
        head, said = one.head, [one.table.plugin]
        if head.least_severity is not Severity.INFO:
            said.append(f"from {head.least_severity.value} up")
        if head.quiet_hours is not None:
            said.append(f"quiet from {head.quiet_hours.replace('-', ' to ')} ({head.timezone})")
        yield f"channel {one.name}: {', '.join(said)}"
    shown = {one.name for one in channels}
    for rule in config.alerts:
        if told := sorted(shown.intersection(rule.channels)):
            what = rule.on if rule.name == rule.on else f"{rule.name} ({rule.on})"
            yield f"{rule.severity.value}: {what} to {', '.join(told)}"
