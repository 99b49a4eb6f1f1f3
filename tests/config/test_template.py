"""The configuration that is written for a start."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from trioarb.config.alerts import AlertTable
from trioarb.config.load import load_config
from trioarb.config.schema import Config, Engine, Execution, Log, Session, Universe
from trioarb.config.template import render_template
from trioarb.plugin.registry import load_plugins


def load(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    loaded = load_config(path, load_plugins())
    assert loaded.warnings == ()
    return loaded.config


def test_it_loads_and_is_the_default_campaign(tmp_path: Path) -> None:
    config = load(tmp_path / "new.toml", render_template())

    assert config.universe.top_n == 10
    assert (config.session.max_iterations, config.session.max_runtime_seconds) == (50, Decimal(120))
    assert [venue.exchange.plugin for venue in config.exchanges.values()] == ["paper", "paper"]
    assert [venue.market.plugin for venue in config.exchanges.values()] == ["dummy", "dummy"]
    assert config.exchanges["a"].exchange.settings == config.exchanges["b"].exchange.settings


def test_the_values_behind_a_hash_are_the_defaults(tmp_path: Path) -> None:
    text = render_template()
    spoken = re.sub(r"^# (\w+ = \S.*)$", r"\1", text, flags=re.MULTILINE)

    assert spoken.count("#") < text.count("#")
    assert load(tmp_path / "spoken.toml", spoken).digest == load(tmp_path / "silent.toml", text).digest


@pytest.mark.parametrize("cls", [Session, Universe, Engine, Execution, Log, AlertTable])
def test_every_key_of_the_core_stands_in_it(cls: type) -> None:
    text = render_template()

    for field in attrs.fields(cls):
        assert re.search(rf"^(# )?{field.name} =", text, flags=re.MULTILINE), field.name


def test_every_key_of_its_plugins_stands_in_it() -> None:
    text = render_template()
    others = ("webhook", "bell", "recorded", "kill_switch", "inventory", "triangular", "maker_taker")

    for item in load_plugins().registered:
        if item.distribution.startswith("trioarb ") and item.spec.name not in others:
            for field in attrs.fields(item.spec.settings):
                assert re.search(rf"^(# +)?{field.name} =", text, flags=re.MULTILINE), field.name
