"""Find plugins: entry points of the group ``trioarb``, loaded one by one so that each failure names its package."""

from __future__ import annotations

import contextlib
import inspect
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, entry_points
from typing import Any, NoReturn, TypeVar

import attrs
import pluggy

from trioarb.errors import ConfigError, Interrupt, PluginError, describe, shown
from trioarb.plugin import hookspec
from trioarb.plugin.api_version import version_flaw
from trioarb.plugin.extras import extra_with_plugin
from trioarb.plugin.file import PluginFile
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
from trioarb.settings.problem import Problem, nearest

__all__ = ["Plugins", "Registered", "load_plugins"]

SpecT = TypeVar("SpecT", bound=PluginSpec[Any, Any])

_HOOKS: Mapping[str, type[PluginSpec[Any, Any]]] = {
    "trioarb_venues": VenueSpec,
    "trioarb_symbol_sources": SymbolSourceSpec,
    "trioarb_market_data": MarketDataSpec,
    "trioarb_exchanges": ExchangeSpec,
    "trioarb_guard_tiers": GuardTierSpec,
    "trioarb_strategies": StrategySpec,
    "trioarb_alert_channels": AlertChannelSpec,
}

_PREFIX = "trioarb_"

#: What plugins import from.
_FACADES = ("trioarb.api", "trioarb.testing", "trioarb.venue")


@attrs.frozen(kw_only=True)
class Registered:
    """A plugin and where it came from: ``trioarb 0.1.0``, ``file NAME.py``, or the name it was given by hand."""

    spec: PluginSpec[Any, Any]
    distribution: str


@attrs.frozen
class Plugins:
    """Every plugin found, by kind and name; ``files``: those that aren't installed, but loaded from a file."""

    registered: tuple[Registered, ...]
    files: tuple[PluginFile, ...] = ()

    def names(self, kind: type[PluginSpec[Any, Any]]) -> list[str]:
        return sorted(item.spec.name for item in self.registered if isinstance(item.spec, kind))

    def get(self, kind: type[SpecT], name: str, *, key: str = "") -> SpecT:
        """Return the spec of that kind and name.

        Raises:
            ConfigError: there is none; the problem names ``key`` and what is installed.
        """
        for item in self.registered:
            if isinstance(item.spec, kind) and item.spec.name == name:
                return item.spec
        names = self.names(kind)
        extra = extra_with_plugin(name)
        raise ConfigError(
            [
                Problem(
                    key=key,
                    message=f"no {kind.kind} plugin of this name is installed",
                    value=f'"{name}"',
                    allowed=", ".join(names),
                    suggestion="" if extra else nearest(name, names),
                    remedy=f"it comes with {extra.install}" if extra else "",
                )
            ]
        )


def load_plugins(extra: Mapping[str, object] | None = None, files: Sequence[PluginFile] = ()) -> Plugins:
    """Load every installed plugin, beside them the modules or objects of ``extra`` (by name), and ``files``.

    Raises:
        PluginError: names every distribution or file whose plugin can't be imported, is written for another version of
            the API, implements no hook or one that doesn't exist, has a hook that is async, raises or returns something
            else than specs, and every name that two plugins claim. One problem a line.
    """
    with _interrupts():
        return _load(extra or {}, files)


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupt`, which no plugin raises: what else comes as a KeyboardInterrupt is a plugin's."""
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return

    def interrupt(number: int, frame: object) -> NoReturn:
        raise Interrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _load(extra: Mapping[str, object], files: Sequence[PluginFile]) -> Plugins:
    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    problems: list[str] = []
    distributions: dict[str, str] = {}
    for number, (name, distribution, load) in enumerate(_sources(extra, files)):
        try:
            plugin = load()
            if name in extra and manager.get_name(plugin) is not None:
                continue  # given by hand, and installed as well: a plugin's own test
            if flaw := version_flaw(plugin):
                problems.append(f"{distribution}: plugin {name!r} {flaw}")
                continue  # its hooks may mean something else
            problems += [f"{distribution}: plugin {name!r} {flaw}" for flaw in _flaws(manager, plugin, distributions)]
            # pluggy's own name only has to be unique: two distributions may well choose the same entry point.
            if manager.get_name(plugin) is None:
                manager.register(plugin, str(number))
                distributions[str(number)] = distribution
        except pluggy.PluginValidationError as error:
            reason = " ".join(str(error).splitlines()[1:])
            problems.append(f"{distribution}: plugin {name!r} doesn't fit its hook: {reason}")
        except Interrupt:
            raise
        except PluginError as error:
            problems.append(f"{distribution}: {error}")
        # A module that calls sys.exit when imported must not end the program without a word.
        except BaseException as error:
            lacks = isinstance(error, ImportError) and (error.name or "") in _FACADES
            remedy = (
                "install a version of it for this trioarb, or another trioarb" if lacks else "repair or uninstall it"
            )
            problems.append(f"{distribution}: plugin {name!r} can't be loaded: {describe(error)}; {remedy}")

    registered: list[Registered] = []
    for hook, kind in _HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            distribution = distributions[implementation.plugin_name]
            try:
                specs = _specs(implementation.function, hook, kind)
            except PluginError as error:
                problems.append(f"{distribution}: {error}")
            else:
                registered += [Registered(spec=spec, distribution=distribution) for spec in _with_parts(specs)]
    problems += _name_clashes(registered)
    if problems:
        raise PluginError("\n".join(problems))
    return Plugins(tuple(registered), tuple(files))


def _sources(
    extra: Mapping[str, object], files: Sequence[PluginFile]
) -> Iterator[tuple[str, str, Callable[[], object]]]:
    points = entry_points(group=hookspec.PROJECT)
    # A distribution reads its metadata anew whenever it is asked: once for all its plugins is enough.
    names = {dist: _named(dist) for dist in dict.fromkeys(point.dist for point in points)}
    for point in sorted(points, key=lambda point: (names[point.dist], point.name)):
        yield f"{point.name} = {point.value}", names[point.dist], point.load
    for name, module in extra.items():
        yield name, name, lambda module=module: module  # type: ignore[misc]
    for file in files:
        yield str(file.path), f"file {file.name}", file.load


def _named(distribution: Distribution | None) -> str:
    if distribution is None:
        return "unknown distribution"
    metadata = distribution.metadata
    return f"{metadata['Name']} {metadata['Version']}"


def _flaws(manager: pluggy.PluginManager, plugin: object, distributions: Mapping[str, str]) -> Iterator[str]:
    """Yield what pluggy would pass over, or report without saying whose it is."""
    known = manager.get_name(plugin)
    if known is not None:
        yield f"is the one that {distributions[known]} registers already; register it once"
        return
    options = {name: manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    marked = {one.get("specname") or name for name, one in options.items() if one is not None}
    for name in sorted(marked - _HOOKS.keys()):
        # Without the prefix, which would make any two hooks look alike.
        suggestion = nearest(name.removeprefix(_PREFIX), [hook.removeprefix(_PREFIX) for hook in _HOOKS])
        hint = f"did you mean '{_PREFIX}{suggestion}'?" if suggestion else f"the hooks are {', '.join(_HOOKS)}"
        yield f"implements an unknown hook {name!r}; {hint}"
    unmarked = [name for name in _HOOKS if name not in marked and callable(getattr(plugin, name, None))]
    for name in unmarked:
        yield f"has a function {name} that is not marked; put @hookimpl of trioarb.api before it"
    if not marked and not unmarked:
        yield f"implements no hook; the hooks are {', '.join(_HOOKS)}"


def _specs(function: Callable[..., Any], hook: str, kind: type[PluginSpec[Any, Any]]) -> Sequence[PluginSpec[Any, Any]]:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"hook {hook} is async; hooks are plain functions, only a spec's `open` is async")
    try:
        returned = function()
        # Taken apart here, because a generator raises only when it is read.
        specs = list(returned) if isinstance(returned, Iterable) and not isinstance(returned, str | bytes) else None
    except Interrupt:
        raise
    except BaseException as error:
        raise PluginError(f"hook {hook} raised {describe(error)}") from error
    if specs is None:
        if inspect.iscoroutine(returned):
            returned.close()
        raise PluginError(f"hook {hook} returned {shown(returned)}; expected a list of {kind.__name__} objects")
    for spec in specs:
        if not isinstance(spec, kind):
            raise PluginError(f"hook {hook} returned {shown(spec)}; expected {kind.__name__} objects")
        _check(spec, hook)
    return specs


def _with_parts(specs: Iterable[PluginSpec[Any, Any]]) -> Iterator[PluginSpec[Any, Any]]:
    """Yield the specs, and after a venue's those of what it gives."""
    for spec in specs:
        yield spec
        if isinstance(spec, VenueSpec):
            yield from spec.parts()


def _check(spec: PluginSpec[Any, Any], hook: str) -> None:
    if not isinstance(spec.name, str) or not spec.name or not spec.name.isprintable():
        raise PluginError(f"hook {hook}: a plugin's name must be printable text, not {shown(spec.name)}")
    if not isinstance(spec.doc, str) or not callable(spec.warnings):
        raise PluginError(f"hook {hook}: `doc` of {spec.name!r} must be text, and `warnings` a function")
    if isinstance(spec, GuardTierSpec) and (isinstance(spec.rank, bool) or not isinstance(spec.rank, int)):
        raise PluginError(f"hook {hook}: `rank` of {spec.name!r} must be a whole number, not {shown(spec.rank)}")
    if not isinstance(spec.settings, type) or not attrs.has(spec.settings):
        raise PluginError(
            f"hook {hook}: the settings of {spec.name!r} must be an attrs class; "
            "put @attrs.frozen(kw_only=True) before it"
        )
    if isinstance(spec, VenueSpec):
        for name in ("source", "market", "exchange"):
            make = getattr(spec, name)
            if make is not None and (not callable(make) or inspect.iscoroutinefunction(make)):
                raise PluginError(
                    f"hook {hook}: `{name}` of {spec.name!r} must be a plain function, or a class; where there is "
                    "something to wait for, an async generator with @contextlib.asynccontextmanager before it"
                )
    if not callable(spec.open) or inspect.iscoroutinefunction(spec.open) or inspect.isasyncgenfunction(spec.open):
        raise PluginError(
            f"hook {hook}: `open` of {spec.name!r} must return an async context manager; "
            "write an async generator and put @contextlib.asynccontextmanager before it"
        )
    if _yields_nothing(spec.open):
        raise PluginError(
            f"hook {hook}: `open` of {spec.name!r} has no yield; write `yield` where it has `return`, "
            "and what closes behind it"
        )


def _yields_nothing(open_: Callable[..., Any]) -> bool:
    """Return whether @asynccontextmanager stands before a function that is no generator."""
    code = getattr(open_, "__code__", None)
    return (
        code is not None
        and code.co_filename == contextlib.__file__
        and inspect.iscoroutinefunction(inspect.unwrap(open_))
    )


def _name_clashes(registered: Iterable[Registered]) -> Iterable[str]:
    owners: dict[tuple[str, str], list[Registered]] = {}
    for item in registered:
        owners.setdefault((item.spec.kind, item.spec.name), []).append(item)
    for (kind, name), items in owners.items():
        # Of two venues it is said once, and not again of each of their parts.
        if len(items) > 1 and not all(item.spec.is_part for item in items):
            distributions = [item.distribution for item in items]
            yield (
                f"two plugins claim the {kind} {name!r}: {' and '.join(distributions)}; "
                "uninstall one of them, leave it out, or rename its plugin"
            )
