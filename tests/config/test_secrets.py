"""Secrets of a configuration: where they may come from, and what is said of those that can't be had."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import attrs
import pytest

from trioarb.api import ExchangeSpec, PositiveCount, setting
from trioarb.config.load import Loaded, load_table
from trioarb.config.secrets import in_the_open
from trioarb.config.stored import from_text, to_text
from trioarb.errors import ConfigError
from trioarb.plugin.registry import load_plugins
from trioarb.settings.keydoc import key_docs
from trioarb.testing import plugin_of, two_venues


@attrs.frozen(kw_only=True)
class Login:
    user: str = setting("me", doc="who")
    password: str = setting(doc="proof", secret=True)


@attrs.frozen(kw_only=True)
class Settings:
    key: str | None = setting(None, doc="key", secret=True)
    login: Login | None = setting(None, doc="account")
    logins: tuple[Login, ...] = setting((), doc="accounts")
    by_name: Mapping[str, Login] = setting(factory=dict, doc="accounts")
    pin: PositiveCount | None = setting(None, doc="number", secret=True)
    pins: Mapping[str, int] = setting(factory=dict, doc="numbers", secret=True)
    strict: bool = setting(False, doc="yes or no", secret=True)
    whole: Login | None = setting(None, doc="all of it", secret=True)
    given: str = setting("handed-out", doc="with a default", secret=True)


@asynccontextmanager
async def opened(settings: Settings, context: Any) -> Any:
    yield None


PLUGINS = {"acme": plugin_of(ExchangeSpec(name="acme", doc="a venue", settings=Settings, open=opened))}


def load(environment: Mapping[str, str] | None = None, *, variables: bool = True, **settings: Any) -> Loaded:
    table = two_venues("dummy")
    table["exchanges"]["a"] = {"plugin": "acme", "market": {"plugin": "dummy"}, **settings}
    return load_table(table, load_plugins(PLUGINS), environment=environment or {}, variables=variables)


def settings_of(loaded: Loaded) -> Settings:
    found = loaded.config.exchanges["a"].exchange.settings
    assert isinstance(found, Settings)
    return found


def stored(loaded: Loaded) -> dict[str, Any]:
    return dict(from_text(to_text(loaded.table, loaded.config))["exchanges"]["a"])


REFERENCES: Mapping[str, Any] = {
    "key": {"env": "KEY"},
    "login": {"password": {"env": "A"}},
    "logins": [{"password": {"env": "B"}}, {"user": "you", "password": {"env": "C"}}],
    "by_name": {"x.y": {"password": {"env": "D"}}},
    "pin": {"env": "PIN"},
    "pins": {"a": {"env": "PIN"}},
    "strict": {"env": "YES"},
    "whole": {"user": {"env": "B"}, "password": {"env": "C"}},
}
ENVIRONMENT = {"KEY": "1_000", "A": "alpha", "B": "beta", "C": "gamma", "D": "delta", "PIN": "007123", "YES": "true"}


def test_references_are_read_at_every_depth_and_kept() -> None:
    loaded = load(ENVIRONMENT, **REFERENCES)

    assert settings_of(loaded) == Settings(
        key="1_000",
        login=Login(password="alpha"),
        logins=(Login(password="beta"), Login(user="you", password="gamma")),
        by_name={"x.y": Login(password="delta")},
        pin=7123,
        pins={"a": 7123},
        strict=True,
        whole=Login(user="beta", password="gamma"),
    )
    assert stored(loaded).items() >= REFERENCES.items()
    assert loaded.warnings == ()
    text = f"{loaded} {loaded.config} {settings_of(loaded)}"
    assert not [value for value in ("1_000", "alpha", "beta", "gamma", "delta", "7123") if value in text]
    assert loaded.config.redactor.text("alpha beta gamma 007123") == "*** *** *** ***"


def test_the_digest_knows_no_secret() -> None:
    with_secrets = load(ENVIRONMENT, key={"env": "KEY"}, by_name={"x": {"password": {"env": "D"}}})
    others = load({}, key="other", by_name={"x": {"password": "other"}})

    assert with_secrets.config.digest == others.config.digest


def test_what_stands_in_the_open_is_kept_as_a_variable() -> None:
    loaded = load(key="plain-key", logins=[{"password": "plain-password"}], pin=7123, whole={"password": "plain-two"})

    assert "plain" not in to_text(loaded.table, loaded.config)
    assert stored(loaded)["key"] == {"env": "TRIOARB__EXCHANGES__A__KEY"}
    assert stored(loaded)["logins"] == [{"password": {"env": "TRIOARB__EXCHANGES__A__LOGINS__0__PASSWORD"}}]
    assert stored(loaded)["pin"] == {"env": "TRIOARB__EXCHANGES__A__PIN"}
    assert [warning.partition(":")[0] for warning in loaded.warnings] == [
        "exchanges.a.key",
        "exchanges.a.logins[0].password",
        "exchanges.a.pin",
        "exchanges.a.whole.password",
    ]


def test_what_a_plugin_says_of_its_settings_is_redacted() -> None:
    def warn(settings: Settings) -> list[str]:
        return [f"{settings.key} is old"]

    spec = ExchangeSpec(name="acme", doc="a venue", settings=Settings, open=opened, warnings=warn)
    table = two_venues("dummy")
    table["exchanges"]["a"] = {"plugin": "acme", "market": {"plugin": "dummy"}, "key": {"env": "KEY"}}
    loaded = load_table(table, load_plugins({"acme": plugin_of(spec)}), environment=ENVIRONMENT)

    assert loaded.warnings == ("exchanges.a: *** is old",)


def test_in_live_trading_it_is_refused() -> None:
    problems, warnings = in_the_open(["a.key", "b.key"], {"b.key": "--set"}.get, live=True)  # type: ignore[arg-type]

    assert warnings == []
    assert str(problems[0]) == (
        "a.key: a secret stands in the file, which live trading refuses; "
        'write { env = "NAME" } or { keyring = "service/user" } instead'
    )
    assert "given by --set" in problems[1].message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"key": {"env": "NONE"}},
            "exchanges.a.key: its environment variable is not set: NONE; set NONE and start again",
        ),
        (
            {"login": {"password": {"keyring": "user"}}},
            'exchanges.a.login.password: not an entry of a keyring: "user" (allowed: "service/user")',
        ),
        ({"key": {"env": "KEY", "or": "x"}}, "exchanges.a.key: wrong value (allowed: text)"),
        ({"login": {"user": {"env": "KEY"}, "password": "12345"}}, "exchanges.a.login.user: wrong value: a table"),
        ({"pin": {"env": "A"}}, "exchanges.a.pin: wrong value (allowed: whole number, ≥ 1)"),
        ({"pins": {"a": {"env": "A"}}}, "exchanges.a.pins.a: wrong value (allowed: whole number)"),
    ],
)
def test_what_can_not_be_read(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(ENVIRONMENT, **settings)

    (problem,) = caught.value.problems
    assert str(problem).removeprefix("<config>: ").startswith(said)


def test_everything_else_is_reported_beside_a_secret_that_is_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, key={"env": "NONE"}, pin={"env": "NONE"}, logins=5, nonsense=1)

    assert {problem.key for problem in caught.value.problems} == {
        f"exchanges.a.{name}" for name in ("key", "pin", "logins", "nonsense")
    }


@pytest.mark.parametrize("secret", ["acme-one", "acme-one, and more of it"])
def test_a_venue_whose_name_a_secret_would_hide_from_the_journal_is_refused(secret: str) -> None:
    table = two_venues("dummy")
    table["exchanges"]["acme-one"] = {"plugin": "acme", "market": {"plugin": "dummy"}, "key": {"env": "KEY"}}
    with pytest.raises(ConfigError, match="would be hidden") as raised:
        load_table(table, load_plugins(PLUGINS), environment={"KEY": secret})
    assert secret not in str(raised.value)
    load_table(table, load_plugins(PLUGINS), environment={"KEY": "another-acme-one"})


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """Entries of a keyring that is installed."""
    entries: dict[tuple[str, str], str] = {}

    def get_password(service: str, user: str) -> str | None:
        if service == "locked":
            raise RuntimeError("it is locked")
        return entries.get((service, user))

    module: Any = ModuleType("keyring")
    module.get_password = get_password
    monkeypatch.setitem(sys.modules, "keyring", module)
    return entries


def test_a_keyring_is_asked(keyring: dict[tuple[str, str], str]) -> None:
    keyring["acme/live", "me"] = "from-the-keyring"
    loaded = load(key={"keyring": "acme/live/me"})

    assert settings_of(loaded).key == "from-the-keyring"
    assert stored(loaded)["key"] == {"keyring": "acme/live/me"}
    assert loaded.config.redactor.text("from-the-keyring") == "***"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("acme/me", "exchanges.a.key: the keyring has no such entry: acme/me; keyring set acme me"),
        ("locked/me", "exchanges.a.key: the keyring can't be asked: RuntimeError: it is locked: locked/me"),
    ],
)
def test_a_keyring_that_does_not_answer(keyring: dict[tuple[str, str], str], entry: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(key={"keyring": entry})

    assert said in str(caught.value)


def test_without_a_keyring_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_keyring(name: str, *_: object) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", no_keyring)
    with pytest.raises(ConfigError, match="pip install 'trioarb\\[keyring\\]'"):
        load(key={"keyring": "acme/me"})


def test_a_default_of_a_secret_is_not_documented() -> None:
    (given,) = (key for key in key_docs(Settings) if key.name == "given")

    assert (given.type, given.default) == ("text, secret", "")


VARIABLES = {
    "TRIOARB__EXCHANGES__A__KEY": "12",
    "TRIOARB__EXCHANGES__A__LOGIN__PASSWORD": "from outside",
    "TRIOARB__SESSION__SEED": "8",
    "TRIOARB__EXCHANGES__B__BALANCES__USDT": "5",
    "TRIOARB__ENV": "lab",
    "TRIOARB_CACHE_DIR": "/tmp",
}


def test_variables_override_the_file() -> None:
    loaded = load(VARIABLES, key={"env": "KEY"}, login={"user": "you"})

    assert settings_of(loaded).key == "12"
    assert settings_of(loaded).login == Login(user="you", password="from outside")
    assert (loaded.config.session.seed, loaded.config.env) == (8, "lab")
    assert loaded.config.exchanges["b"].exchange.settings.balances == {"USDT": 5}
    assert stored(loaded)["login"] == {"user": "you", "password": {"env": "TRIOARB__EXCHANGES__A__LOGIN__PASSWORD"}}
    assert loaded.warnings == ()


def test_flags_win_over_variables() -> None:
    table = two_venues("dummy")
    loaded = load_table(
        table, load_plugins(), overrides=["session.seed=9"], environment=VARIABLES | {"TRIOARB__EXCHANGES__A__KEY": ""}
    )

    assert loaded.config.session.seed == 9


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TRIOARB__EXCHANGES__C__KEY", "TRIOARB__EXCHANGES__C__KEY: fits no table of the configuration (allowed: TRIO"),
        ("TRIOARB__exchanges__a__key", "fits no table of the configuration"),
        ("TRIOARB__EXCHANGES__A__KEEY", "TRIOARB__EXCHANGES__A__KEEY: exchanges.a.keey: unknown key"),
        ("TRIOARB__NONSENSE", "TRIOARB__NONSENSE: nonsense: unknown key"),
        ("TRIOARB__", "fits no table"),
    ],
)
def test_variables_that_fit_nothing(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: "x"})

    assert said in str(caught.value)


def test_a_variable_that_may_mean_two_keys() -> None:
    table = two_venues("dummy")
    table["exchanges"]["a-b"] = table["exchanges"]["a"]
    table["exchanges"]["a_b"] = table["exchanges"]["b"]
    with pytest.raises(ConfigError, match=r"may mean exchanges\.a-b\.latency_ms or exchanges\.a_b\.latency_ms"):
        load_table(table, load_plugins(), environment={"TRIOARB__EXCHANGES__A_B__LATENCY_MS": "1"}, variables=True)
