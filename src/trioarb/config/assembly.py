"""Put a configuration together from its tables, and find everything that is wrong on the way."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from trioarb.config import alerts as alerting
from trioarb.config.agreement import (
    constant_rates,
    deaf_channels,
    disagreements,
    idle_transfers,
    late_answers,
    real_time,
    real_withdrawals,
    unclosable,
)
from trioarb.config.digest import digest_of
from trioarb.config.environment import overriding
from trioarb.config.override import Overrides, parse_value
from trioarb.config.plugin_files import stated
from trioarb.config.schema import (
    ChannelHead,
    ChannelTable,
    Config,
    ExchangeHead,
    ExchangeTables,
    FxTable,
    GuardHead,
    LiquidityTier,
    Mode,
    Override,
    PaperHead,
    PluginHead,
    PluginTable,
    Session,
    StrategyHead,
    SymbolTable,
    Tables,
    TierTable,
    WrapperHead,
)
from trioarb.config.secrets import SecretReader, in_the_open
from trioarb.errors import ConfigError, Interrupt, PluginError, describe
from trioarb.plugin.answer import check_texts
from trioarb.plugin.extras import missing
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import (
    AlertChannelSpec,
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    PluginSpec,
    StrategySpec,
    SymbolSourceSpec,
)
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.settings.convert import structure
from trioarb.settings.key import join_key, stands_at
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor

__all__ = ["TIERS", "Assembly"]

T = TypeVar("T")
Spec = PluginSpec[Any, Any]

#: Guard tiers that are asked unless the file switches them off.
TIERS = ("exchange", "global", "portfolio", "symbol")

#: Who tells of alerts where no channel is configured.
_LOG = "log"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_KNOWN_RATES = {"USD": Decimal(1), "USDT": Decimal(1)}


@attrs.define
class Assembly:
    """One configuration in the making. ``table`` is changed by `override` and `flag`."""

    table: dict[str, Any]
    plugins: Plugins
    file: str
    warnings: list[str] = attrs.field(factory=list, init=False)
    #: What talks to the outside, by the key of its table, such as ``exchange plugin "acme"``.
    live: dict[str, str] = attrs.field(factory=dict, init=False)
    #: The same of channels for alerts, which nothing opens but a run.
    outside: dict[str, str] = attrs.field(factory=dict, init=False)
    #: What secrets refer to; ``None``: they are not read.
    environment: Mapping[str, str] | None = attrs.field(factory=dict, repr=False)
    _overrides: Overrides = attrs.field(init=False)
    _secrets: SecretReader = attrs.field(init=False)
    _problems: list[Problem] = attrs.field(factory=list, init=False)
    _plugins_table: object = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.plugins.files:
            self.table["plugins"] = stated(self.plugins)
        self._plugins_table = copy.deepcopy(self.table.get("plugins"))
        self._overrides = Overrides(self.table)
        self._secrets = SecretReader(environment=self.environment, origin=self._overrides.origin)

    def override(self, text: str) -> None:
        """Lay one ``table.key=value`` over the table."""
        self._try(lambda: self._overrides.apply(text))

    def override_from_environment(self) -> None:
        """Lay the variables that are meant for a key over the table."""
        self._try(self._lay_variables)

    def flag(self, flag: str, names: Sequence[str], value: Any) -> None:
        """Lay the value of a command line flag over the table; ``None``: the flag wasn't given."""
        if value is not None:
            self._try(lambda: self._overrides.set(names, value, flag=flag))

    def finish(self) -> Config:
        """Return the checked configuration.

        Raises:
            ConfigError: with every problem, in the order of the file.
            PluginError: a plugin failed while it looked at its settings.
        """
        tables = self._core()
        self._look_at_plugin_files()
        fx = {**_KNOWN_RATES, **constant_rates(tables.fx)}
        strategy = self._headed(StrategySpec, StrategyHead, tables.strategy, "strategy")
        self._problems += list(disagreements(tables, fx, self._is_sound, least_venues=self._least_venues(strategy)))
        source = self._source(tables)
        mode = tables.session.mode
        exchanges = {name: self._exchange(name, tables.exchanges[name], mode) for name in sorted(tables.exchanges)}
        guards = self._guards(tables.guards)
        tables_of = {table.key: table for table in (strategy, *guards) if table is not None}
        tiers = sorted(
            (self._tier(name, tier, tables, tables_of) for name, tier in tables.tiers.items()),
            key=lambda tier: (tier.below, tier.name),
        )
        symbols = {
            name: self._overriding(table, join_key("symbols", name), tables, tables_of)
            for name, table in sorted(tables.symbols.items())
        }
        channels = self._channels(tables)
        self._problems += list(alerting.flaws(tables.alerts, channels, tables.exchanges))
        if self._is_sound("session.clock", "session.speed"):
            self._problems += list(real_time(tables.session, self.live | self.outside))
        if self._is_sound("transfers", "session.mode"):
            self._problems += list(real_withdrawals(tables, self.live))
        self._look_at_literals(tables.session)
        redactor = Redactor.of(self._secrets.values)
        self._problems += _hidden(redactor, tables)
        self.warnings = [redactor.text(warning) for warning in self.warnings]
        if self._problems or source is None or strategy is None:
            raise ConfigError([redactor.fields(problem) for problem in self._located()])
        config = Config(
            env=tables.env,
            session=tables.session,
            universe=tables.universe,
            engine=tables.engine,
            execution=tables.execution,
            fx=fx,
            fx_markets={
                asset: table for asset, table in tables.fx.items() if isinstance(table, FxTable) and table.markets
            },
            withdrawals=tables.withdrawals,
            transfers=tables.transfers,
            live=tables.live,
            dashboard=tables.dashboard,
            plugin_files=tables.plugins.sha256,
            fee_assets=tables.fee_assets,
            exchanges={name: venue for name, venue in exchanges.items() if venue is not None},
            source=source,
            strategy=strategy,
            guards=guards,
            tiers=tuple(tiers),
            symbols=symbols,
            channels=tuple(channel for channel in channels.values() if channel is not None),
            alerts=alerting.rules_of(tables.alerts, tuple(channels)),
            log_level=tables.log.level,
            digest="",
            redactor=redactor,
        )
        self.warnings += late_answers(config)
        self.warnings += idle_transfers(config)
        self.warnings += unclosable(config)
        self.warnings += deaf_channels(config)
        return attrs.evolve(config, digest=digest_of(config))

    def _lay_variables(self) -> None:
        environment = self.environment or {}
        for name, path in list(overriding(environment, self.table)):
            self._overrides.set(path, parse_value(environment[name]), flag=name)

    def _look_at_plugin_files(self) -> None:
        """Refuse what is laid over their table: they were loaded before that."""
        if self.table.get("plugins") != self._plugins_table:
            keys = ("plugins", "plugins.paths", "plugins.sha256")
            origin = next(filter(None, map(self._overrides.origin, keys)), "--set")
            message = "plugins are loaded before anything is laid over a configuration"
            remedy = "name the file in the configuration, or by --plugin"
            self._problems.append(Problem(file=origin, key="plugins", message=message, remedy=remedy))

    def _core(self) -> Tables:
        tables = self._try(lambda: structure(self.table, Tables, key=""))
        if tables is not None:
            return tables
        # Go on with what is right, to find what else is wrong. What lacks what was wrong is left out, too.
        bad = {problem.key for problem in self._problems}
        while True:
            try:
                return structure(_without(self.table, "", bad), Tables, key="")
            except ConfigError as error:
                if bad.issuperset(more := {problem.key for problem in error.problems}):
                    raise
                bad |= more

    def _least_venues(self, strategy: PluginTable | None) -> int:
        """Return how many venues it takes: loops go around at one."""
        return 1 if strategy and self.plugins.get(StrategySpec, strategy.plugin, key=strategy.key).loops else 2

    def _source(self, tables: Tables) -> PluginTable | None:
        if not self._is_sound("universe.source"):
            return None
        name = tables.universe.source
        spec = self._try(lambda: self.plugins.get(SymbolSourceSpec, name, key="universe.source"))
        if spec is None:
            return None
        settings: Mapping[str, Any] = tables.universe.settings
        for venue in (tables.exchanges[one] for one in sorted(tables.exchanges)):
            # A source that is the plugin of a venue is reached as that is, unless told otherwise.
            market = venue.get("market")
            for table in (venue, market if isinstance(market, dict) else {}):
                if table.get("plugin") == name:
                    settings = self._shared(SymbolSourceSpec, settings, name, table)
        return self._settings(spec, settings, "universe.settings")

    def _exchange(self, name: str, table: Mapping[str, Any], mode: Mode) -> ExchangeTables | None:
        key = self._named("exchanges", name)
        is_real = self._is_real(table)
        exchange = self._headed(ExchangeSpec, ExchangeHead, table, key, idle=is_real and mode is Mode.PAPER)
        stand_in = self._stand_in(table, key, mode, is_real=is_real)
        market_table = self._market_table(table, key)
        if market_table is None:
            return None
        # What shares a session with the exchange was looked at with that.
        is_told = (
            table.get("plugin") == market_table.get("plugin")
            and table.get("plugin") in self.plugins.names(VenueSpec)
            and not table.get("market", {}).keys() - {"plugin"}
        )
        market = self._headed(MarketDataSpec, PluginHead, market_table, f"{key}.market", aloud=not is_told)
        aliases = table.get("aliases", {}) if self._is_sound(f"{key}.aliases") else {}
        same_as = table.get("same_as", {}) if self._is_sound(f"{key}.same_as") else {}
        if not exchange or not market:
            return None
        if is_real and mode is not Mode.LIVE:
            if stand_in is None:
                return None
            return ExchangeTables(exchange=stand_in, real=exchange, market=market, aliases=aliases, same_as=same_as)
        return ExchangeTables(exchange=exchange, paper=stand_in, market=market, aliases=aliases, same_as=same_as)

    def _stand_in(self, table: Mapping[str, Any], key: str, mode: Mode, *, is_real: bool) -> PluginTable | None:
        """Check what stands in for a real venue, and whether the venue fits the mode."""
        simulated, place = table.get("paper"), f"{key}.paper"
        if not is_real:
            if mode is Mode.LIVE and self._is_sound(key):
                self._problems.append(
                    Problem(
                        key=f"{key}.plugin",
                        message=f"{mode.value} trading needs a real venue, and nothing but simulates one here",
                        value=f'"{table.get("plugin", attrs.fields(ExchangeHead).plugin.default)}"',
                        allowed=" or ".join(f'"{name}"' for name in self._real_names()) or "none is installed",
                    )
                )
            if simulated is not None:
                self._problems.append(
                    Problem(key=place, message="the venue is simulated itself, so nothing stands in for it")
                )
            return None
        if not isinstance(simulated, dict):
            if mode is not Mode.LIVE and self._is_sound(place):
                self._problems.append(
                    Problem(
                        key=place,
                        message=f'missing; session.mode = "{mode.value}" sends no orders to real venues, so something '
                        "has to stand in for it",
                        allowed="a table of a simulated venue, such as { taker_fee_bps = 10, balances = { … } }",
                    )
                )
            return None
        if self._is_real(simulated):
            self._problems.append(Problem(key=f"{place}.plugin", message="a real venue can't stand in for one"))
            return None
        return self._headed(ExchangeSpec, PaperHead, simulated, place, idle=mode is Mode.LIVE)

    def _market_table(self, table: Mapping[str, Any], key: str) -> dict[str, Any] | None:
        """Return the table of a venue's market data: as it is given, with what it shares with the exchange's."""
        name, given = table.get("plugin"), table.get("market", {})
        if not isinstance(given, dict):
            return None  # which is said where its type is looked at
        if "plugin" not in given and name in self.plugins.names(MarketDataSpec):
            given = {"plugin": name, **given}
        elif "market" not in table:
            self._problems.append(
                Problem(key=f"{key}.market", message="missing", allowed=_tables_of(self.plugins.names(MarketDataSpec)))
            )
            return None
        return self._shared(MarketDataSpec, given, name, table) if given.get("plugin") == name else given

    def _shared(self, kind: type[Spec], own: Mapping[str, Any], name: Any, venue: Mapping[str, Any]) -> dict[str, Any]:
        """Lay a table over what the venue's own says of settings that this plugin has, too."""
        if name not in self.plugins.names(kind):
            return dict(own)
        known = attrs.fields_dict(self.plugins.get(kind, name).settings)
        return {key: value for key, value in venue.items() if key in known} | dict(own)

    def _is_real(self, table: Mapping[str, Any]) -> bool:
        """Return whether the exchange of the table, or one that it wraps, is a real venue."""
        name, wrapped = table.get("plugin"), table.get("wraps")
        is_real = name in self._real_names()
        return is_real or (isinstance(wrapped, dict) and self._is_real(wrapped))

    def _real_names(self) -> list[str]:
        return [name for name in self.plugins.names(ExchangeSpec) if self.plugins.get(ExchangeSpec, name).real]

    def _guards(self, tables: Mapping[str, Mapping[str, Any]]) -> tuple[PluginTable, ...]:
        ranked = []
        for name in sorted({*TIERS, *tables}):
            key = self._named("guards", name)
            table = tables.get(name, {})
            guard = self._headed(GuardTierSpec, GuardHead, table, key, default=name)
            if guard is not None and table.get("enabled", True):
                ranked.append((self.plugins.get(GuardTierSpec, guard.plugin).rank, name, guard))
        return tuple(guard for _, _, guard in sorted(ranked, key=lambda item: item[:2]))

    def _tier(self, name: str, table: TierTable, tables: Tables, tables_of: Mapping[str, PluginTable]) -> LiquidityTier:
        key = join_key("tiers", name)
        below = join_key(key, "below_24h_quote_volume")
        if table.below_24h_quote_volume is None and self._is_sound(below):
            self._problems.append(
                Problem(key=below, message="missing; it says whose tier it is", allowed="number, > 0")
            )
        overrides = self._overriding(table, key, tables, tables_of)
        return LiquidityTier(name=name, below=table.below_24h_quote_volume or Decimal(0), overrides=overrides)

    def _overriding(
        self, table: SymbolTable, key: str, tables: Tables, tables_of: Mapping[str, PluginTable]
    ) -> tuple[Override, ...]:
        """Check what stands in a table of a symbol, or of a liquidity tier, as if it stood in the plugins' own."""
        found = []
        wanted = [("strategy", tables.strategy, table.strategy)]
        wanted += [(join_key("guards", name), tables.guards.get(name, {}), own) for name, own in table.guards.items()]
        for instead_of, base, own in wanted:
            place = f"{key}.{instead_of}"
            if own and instead_of not in tables_of:
                if self._is_sound(instead_of):
                    self._problems.append(Problem(key=place, message=f"there is no [{instead_of}] that is asked"))
            elif own:
                values = self._override_values(tables_of[instead_of], base, own, place)
                found.append(Override(key=place, instead_of=instead_of, values=values))
        return tuple(found)

    def _override_values(
        self, table: PluginTable, base: Mapping[str, Any], own: Mapping[str, Any], place: str
    ) -> Mapping[str, Any]:
        kind = StrategySpec if table.key == "strategy" else GuardTierSpec
        spec: PluginSpec[Any, Any] = self.plugins.get(kind, table.plugin)
        fields = attrs.fields_dict(spec.settings)
        if isinstance(spec, GuardTierSpec) and not spec.by_symbol:
            self._problems.append(
                Problem(key=place, message=f'the guard tier plugin "{spec.name}" has no settings of single symbols')
            )
            return {}
        for name in own:
            if name in fields and not fields[name].repr:
                self._problems.append(
                    Problem(key=join_key(place, name), message="a secret is the same for all symbols")
                )
        around = {name: value for name, value in base.items() if name in fields}
        settings = self._try(lambda: structure({**around, **own}, spec.settings, key=place))
        return {} if settings is None else {name: getattr(settings, name) for name in own}

    def _channels(self, tables: Tables) -> dict[str, ChannelTable | None]:
        """Check the channels; return them by name, ``None`` where something is wrong."""
        given = tables.channels or ({_LOG: {"plugin": _LOG}} if tables.alerts else {})
        return {name: self._channel(name, given[name]) for name in sorted(given)}

    def _channel(self, name: str, table: Mapping[str, Any]) -> ChannelTable | None:
        key = self._named("channels", name)
        plugin = self._headed(AlertChannelSpec, ChannelHead, table, key)
        if plugin is None:
            return None
        kept = {one: table[one] for one in table if one in attrs.fields_dict(ChannelHead)}
        try:
            head = structure(kept, ChannelHead, key=key)
        except ConfigError:
            return None  # which was said already, where its plugin was looked for
        for module in self.plugins.get(AlertChannelSpec, plugin.plugin).needs:
            if (remedy := missing(module)) is not None:
                message = f"the channel needs {module}, which is not installed"
                self._problems.append(Problem(key=f"{key}.plugin", message=message, remedy=remedy))
        return ChannelTable(name=name, head=head, table=plugin)

    def _named(self, table: str, name: str) -> str:
        key = join_key(table, name)
        if not _NAME.fullmatch(name):
            self._problems.append(Problem(key=key, message="not a name", allowed="letters, digits, _ and -"))
        return key

    def _headed(
        self,
        kind: type[Spec],
        head: type[Any],
        table: Mapping[str, Any],
        key: str,
        *,
        default: str | None = None,
        idle: bool = False,
        aloud: bool = True,
    ) -> PluginTable | None:
        """Check a table whose keys are the core's (``head``) and, for the rest, those of the plugin that it names.

        ``idle``: it isn't opened, so its secrets need not be there. Not ``aloud``: its warnings were told already.
        """
        fields = attrs.fields_dict(head)
        ours = {name: value for name, value in table.items() if name in fields}
        rest = {name: value for name, value in table.items() if name not in fields}
        self._try(lambda: self._head(kind, head, ours, key))
        name = ours.get("plugin", default or fields["plugin"].default)
        if not isinstance(name, str):
            return None
        place = f"{key}.plugin" if "plugin" in ours else key
        spec = self._try(lambda: self.plugins.get(kind, name, key=place))
        if spec is None:
            return None
        if not spec.wraps:
            self._refuse_wraps(kind, spec, rest, key)
            return self._settings(spec, rest, key, beside=tuple(fields), idle=idle, aloud=aloud)
        wrapping = {name: rest.pop(name) for name in attrs.fields_dict(WrapperHead) if name in rest}
        self._try(lambda: self._head(kind, WrapperHead, wrapping, key))
        inner = wrapping.get("wraps")
        wrapped = self._headed(kind, PluginHead, inner, f"{key}.wraps", idle=idle) if isinstance(inner, dict) else None
        outer = self._settings(spec, rest, key, beside=(*fields, *attrs.fields_dict(WrapperHead)), idle=idle)
        return attrs.evolve(outer, wraps=wrapped) if outer and wrapped else None

    def _refuse_wraps(self, kind: type[Spec], spec: Spec, table: dict[str, Any], key: str) -> None:
        """Take ``wraps`` out of the table of a plugin that wraps nothing, and say which plugins do."""
        wrappers = [name for name in self.plugins.names(kind) if self.plugins.get(kind, name).wraps]
        if "wraps" in table and wrappers and "wraps" not in attrs.fields_dict(spec.settings):
            del table["wraps"]
            self._problems.append(
                Problem(
                    key=f"{key}.wraps",
                    message=f'unknown key; the {kind.kind} plugin "{spec.name}" wraps no other',
                    allowed=" or ".join(f'with plugin = "{name}"' for name in wrappers),
                )
            )

    def _head(self, kind: type[Spec], head: type[Any], table: Mapping[str, Any], key: str) -> None:
        """Check the core's keys; where a plugin is missing or wrong, say which there are."""
        names = self.plugins.names(kind)
        allowed = {
            f"{key}.market": _tables_of(self.plugins.names(MarketDataSpec)),
            f"{key}.wraps": _tables_of(names),
            f"{key}.plugin": " or ".join(f'"{name}"' for name in names),
        }
        try:
            structure(table, head, key=key)
        except ConfigError as error:
            raise ConfigError(
                [attrs.evolve(found, allowed=allowed.get(found.key) or found.allowed) for found in error.problems]
            ) from None

    def _settings(
        self,
        spec: Spec,
        table: Mapping[str, Any],
        key: str,
        *,
        beside: Sequence[str] = (),
        idle: bool = False,
        aloud: bool = True,
    ) -> PluginTable | None:
        read, missing = self._secrets.read(table, spec.settings, key, idle=idle)
        settings = self._try(lambda: structure(read, spec.settings, key=key, beside=beside))
        if missing:
            # The reference that stands there still is of no type that fits.
            places = {problem.key for problem in missing}
            self._problems = [problem for problem in self._problems if problem.key not in places] + missing
            return None
        if settings is None:
            return None
        try:
            warnings = check_texts(spec.warnings(settings)) if aloud else []
        except Interrupt:
            raise
        except BaseException as error:
            text = f"{spec.kind} {spec.name!r} failed on the settings of [{key}]: {describe(error)}"
            raise PluginError(Redactor.of(self._secrets.values).text(text)) from error
        self.warnings += [f"{key}: {warning}" for warning in warnings]
        if spec.live and not idle:
            found = self.outside if isinstance(spec, AlertChannelSpec) else self.live
            found[key] = f'{spec.kind} plugin "{spec.name}"'
        return PluginTable(plugin=spec.name, key=key, settings=settings)

    def _look_at_literals(self, session: Session) -> None:
        is_live = session.mode is not Mode.PAPER
        problems, warnings = in_the_open(self._secrets.literals, self._overrides.origin, live=is_live)
        self._problems += problems
        self.warnings += warnings

    def _try(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except ConfigError as error:
            self._problems += error.problems
            return None

    def _is_sound(self, *keys: str) -> bool:
        return not any(
            stands_at(problem.key, keys) or any(stands_at(key, [problem.key]) for key in keys)
            for problem in self._problems
        )

    def _located(self) -> list[Problem]:
        places = {place: index for index, place in enumerate(_places(self.table, ""))}

        def position(problem: Problem) -> tuple[bool, float]:
            # A key that is missing stands where its table does; what is deeper comes later, so the last hit is it.
            hits = (index for place, index in places.items() if stands_at(problem.key, [place]))
            return problem.file != self.file, max(hits, default=math.inf)

        located = [
            attrs.evolve(problem, file=problem.file or self._overrides.origin(problem.key) or self.file)
            for problem in self._problems
        ]
        return sorted(located, key=position)


def _tables_of(names: Sequence[str]) -> str:
    return " or ".join(f'{{ plugin = "{name}", … }}' for name in names)


def _hidden(redactor: Redactor, tables: Tables) -> Iterator[Problem]:
    """Find names of venues that would be taken out of the journal for secrets, and the books with them."""
    for name in sorted(tables.exchanges):
        if redactor.text(name) != name:
            yield Problem(
                key="exchanges",
                message="a secret is, or begins with, the name of one of its tables, and would be hidden wherever that "
                "is written down",
                remedy="name the table otherwise",
            )


def _without(table: Mapping[str, Any], key: str, bad: set[str]) -> dict[str, Any]:
    kept = {}
    for name, value in table.items():
        place = join_key(key, name)
        if place in bad or any(problem.startswith(f"{place}[") for problem in bad):
            continue
        kept[name] = _without(value, place, bad) if isinstance(value, dict) else value
    return kept


def _places(table: Mapping[str, Any], key: str) -> Iterator[str]:
    for name, value in table.items():
        place = join_key(key, name)
        yield place
        if isinstance(value, dict):
            yield from _places(value, place)
