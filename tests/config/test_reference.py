"""The documentation of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import tomli
from configuration_reference import PAGE, render_page, render_reference

from trioarb.config.load import load_table
from trioarb.config.schema import Engine, Execution, Log, Session, Universe
from trioarb.plugin.registry import Plugins, Registered, load_plugins
from trioarb.plugin.spec import GuardTierSpec
from trioarb.settings.keydoc import key_docs, toml_literal
from trioarb.settings.types import PositiveBps, setting


@attrs.frozen(kw_only=True)
class Hours:
    start: int = setting(doc="first hour")


@attrs.frozen(kw_only=True)
class NightSettings:
    limit_bps: PositiveBps | None = setting(None, doc="a | b")
    hours: Mapping[str, Hours] = setting(factory=dict, doc="hours by day")


def test_the_page_is_up_to_date() -> None:
    """Write it anew with ``nox -s docs``."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(page, load_plugins())


def test_every_key_of_the_core_is_documented() -> None:
    page = render_reference(Plugins(()))

    for cls in (Session, Universe, Engine, Execution, Log):
        for key in key_docs(cls):
            assert key.doc
            assert f"| `{key.name}` |" in page


def test_every_key_of_a_plugin_is_documented() -> None:
    opener: Any = None
    spec = GuardTierSpec(name="night", doc="sleeps at night", open=opener, settings=NightSettings)
    plugins = Plugins((Registered(spec=spec, distribution="elsewhere 1.0"),))
    text = render_reference(plugins)

    assert '### `plugin = "night"`' in text
    assert "Sleeps at night." in text
    assert "| `limit_bps` | number, bps, > 0 | absent | a \\| b |" in text
    assert "| `hours.NAME.start` | whole number | required | first hour |" in text
    assert "night" not in render_page("", plugins)


def test_the_example_on_the_page_loads() -> None:
    example = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]

    assert load_table(tomli.loads(example), load_plugins()).warnings == ()


@pytest.mark.parametrize("value", [True, 5, 5_000_000, 'a"b\n', ["x", 1], {"a.b": {"c": [False]}}, {}])
def test_literals_read_back(value: Any) -> None:
    assert tomli.loads(f"value = {toml_literal(value)}")["value"] == value
