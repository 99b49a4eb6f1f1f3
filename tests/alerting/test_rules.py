"""Rules of ``[[alerts]]``: what is refused, and what the log channel is told in a whole campaign."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

from trioarb.config.load import load_table
from trioarb.config.schema import Config
from trioarb.config.stored import differences
from trioarb.errors import ConfigError
from trioarb.model.alert import Severity
from trioarb.plugin.registry import load_plugins
from trioarb.testing import two_venues

PLUGINS = load_plugins()


def load(*rules: dict[str, Any], channels: dict[str, Any] | None = None, **more: Any) -> Config:
    return load_table(two_venues("dummy") | {"alerts": list(rules), "channels": channels or {}} | more, PLUGINS).config


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"on": ["residul"]}, "alerts[0].on: there is no such incident.*: \"residul\".*did you mean 'residual'"),
        ({"on": ["order_rejectd"]}, "did you mean 'order_rejected'"),
        ({"on": []}, "alerts[0]: on is empty"),
        ({}, "alerts[0].on: missing"),
        ({"on": ["residual"], "channels": ["opps"]}, "alerts[0].channels.*\"opps\" .*did you mean 'ops'"),
        ({"on": ["residual"], "channels": []}, "alerts[0].channels: empty"),
        ({"on": ["residual"], "venues": ["z"]}, 'alerts[0].venues: there is no .exchanges.NAME.*"z"'),
        ({"on": ["drawdown"]}, "alerts[0].above_usd: missing; drawdown needs above_usd"),
        ({"on": ["drawdown"], "above_usd": -1}, "alerts[0].above_usd: a drawdown is above zero: -1"),
        ({"on": ["pnl"]}, "alerts[0].above_usd: missing; pnl needs above_usd or below_usd"),
        ({"on": ["pnl"], "above_usd": 1, "below_usd": 2}, "alerts[0]: below_usd has to be less"),
        ({"on": ["no_trade"]}, "alerts[0].minutes: missing"),
        ({"on": ["residual"], "minutes": 3}, "alerts[0].minutes: a limit of no_trade alone"),
        ({"on": ["residual"], "severity": "urgent"}, "alerts[0].severity: .*urgent"),
        ({"on": ["residual"], "throtle_seconds": 1}, "alerts[0].throtle_seconds: unknown key.*throttle_seconds"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(rule, channels={"ops": {"plugin": "log"}})
    (problem,) = refused.value.problems
    assert re.search(said.replace("[0]", r"\[0\]"), str(problem)), str(problem)


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({}, "channels.ops.plugin: missing"),
        ({"plugin": "lug"}, 'channels.ops.plugin: no alert channel plugin of this name is installed: "lug"'),
        ({"plugin": "log", "quiet_hours": "10pm-6am"}, "quiet_hours"),
        ({"plugin": "log", "quiet_hours": "22:00-22:00"}, "quiet_hours"),
        ({"plugin": "log", "quiet_hours": "22:00-07:00", "timezone": "Mars/Base"}, "Mars/Base"),
        ({"plugin": "log", "tries": 0}, "channels.ops.tries"),
        ({"plugin": "log", "url": "x"}, "channels.ops.url: unknown key"),
    ],
)
def test_a_channel_that_makes_no_sense_is_refused(channel: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({"on": ["residual"]}, channels={"ops": channel})
    assert [problem for problem in refused.value.problems if said in str(problem)]


def test_without_channels_the_log_is_told() -> None:
    config = load({"on": ["residual", "campaign_ended", "order_rejected"]})
    assert [channel.name for channel in config.channels] == ["log"]
    severities = {rule.on: rule.severity for rule in config.alerts}
    assert severities["residual"] is Severity.CRITICAL
    assert severities["campaign_ended"] is severities["order_rejected"] is Severity.INFO


def test_alerts_are_no_part_of_the_digest() -> None:
    assert load({"on": ["residual"]}).digest == load().digest


def test_a_channel_without_a_rule_is_warned_of() -> None:
    table = two_venues("dummy") | {"channels": {"ops": {"plugin": "log"}}}
    warnings = load_table(table, PLUGINS).warnings
    assert [warning for warning in warnings if warning.startswith("channels.ops: no rule")]


def test_a_channel_whose_package_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "httpx" else find(name))
    with pytest.raises(ConfigError) as refused:
        load(
            {"on": ["residual"]}, channels={"ops": {"plugin": "webhook", "url": "http://x/"}}, session={"clock": "real"}
        )
    (problem,) = refused.value.problems
    assert str(problem).startswith(
        "<config>: channels.ops.plugin: the channel needs httpx, which is not installed; pip install"
    )


def test_alerts_may_be_others_when_a_campaign_goes_on() -> None:
    found = differences(load(), load({"on": ["residual"], "severity": "info"}))
    assert found
    assert all(one.harmless for one in found)
