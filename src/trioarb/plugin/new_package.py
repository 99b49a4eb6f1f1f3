"""A new package for a plugin: its name, and the files that it begins with.

The files are templates under ``templates``, by kind, ``common`` being those of every kind; ``.tmpl`` is taken off their
names, and ``package`` in a path is the module.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

import attrs

from trioarb.errors import ConfigError
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
from trioarb.settings.problem import Problem

__all__ = ["KINDS", "NewPackage"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: Lines of the templates have room for so much.
_LONGEST = 26
#: Folders of the package itself.
_TAKEN = frozenset({"src", "tests"})
_SUFFIX = ".tmpl"


@attrs.frozen(kw_only=True)
class _Kind:
    """``noun``: the module with the hooks; ``doc``: what the example does; ``requires``: what it depends on."""

    spec: type[PluginSpec[Any, Any]]
    noun: str
    doc: str
    requires: str = "trioarb"


#: What can be made, by the word for it.
KINDS: Mapping[str, _Kind] = {
    "exchange": _Kind(
        spec=ExchangeSpec, noun="exchange", doc="a venue that speaks JSON over HTTP", requires="trioarb[venue]"
    ),
    "source": _Kind(spec=SymbolSourceSpec, noun="source", doc="some assets, each in one quote asset"),
    "market": _Kind(spec=MarketDataSpec, noun="market", doc="a price that goes up and down at an even pace"),
    "guard": _Kind(spec=GuardTierSpec, noun="guard", doc="no more than so many entries an hour"),
    "strategy": _Kind(spec=StrategySpec, noun="strategy", doc="enter from an edge on, leave when it has gone"),
    "alert": _Kind(spec=AlertChannelSpec, noun="channel", doc="messages go to a program"),
}


@attrs.frozen(kw_only=True)
class NewPackage:
    """A package that is to be written, for a plugin of a kind (a key of `KINDS`).

    ``name`` is that of the distribution and of the plugin: lower case letters, digits, and ``-`` between them. That of
    the module has ``_`` instead.
    """

    kind: str
    name: str

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def problem(self, plugins: Plugins) -> Problem | None:
        """Return what is wrong with its name."""
        message, remedy = self._flaw(plugins)
        return Problem(file="NAME", message=message, value=self.name, remedy=remedy) if message else None

    def _flaw(self, plugins: Plugins) -> tuple[str, str]:
        if not _NAME.fullmatch(self.name):
            return "not a name: lower case letters and digits, with - between words, a letter first", self._meant()
        if len(self.name) > _LONGEST:
            return f"longer than {_LONGEST} characters", "take a shorter one"
        another = f"take another one, such as {self.name}-{self.kind}"
        if keyword.iskeyword(self.module) or self.module in sys.stdlib_module_names | _TAKEN:
            return "a word of Python, or a module of its own", another
        if self.module == "trioarb" or find_spec(self.module) is not None:
            return "a module of this name is installed", another
        spec = KINDS[self.kind].spec
        owner = next(
            (one.distribution for one in plugins.registered if (type(one.spec), one.spec.name) == (spec, self.name)), ""
        )
        return (f"{owner} has {spec.kind} of this name already", another) if owner else ("", "")

    def _meant(self) -> str:
        meant = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-0123456789")
        return f"such as {meant}" if _NAME.fullmatch(meant) else "such as acme-venue"

    def write(self, folder: Path) -> list[Path]:
        """Write its files into a folder that is made, or empty; return them, the most interesting first.

        Raises:
            ConfigError: something is there already, or it can't be written.
        """

        def refuse(message: str, remedy: str = "") -> ConfigError:
            return ConfigError([Problem(file=str(folder), message=message, remedy=remedy)])

        written = []
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise refuse(
                    "is there already, and isn't an empty folder", "take another name, or name a place by --out"
                )
            for name, text in self._files():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                written.append(path)
        except OSError as error:
            raise refuse(f"can't be written ({error.strerror or error})") from None
        return written

    def _files(self) -> Iterator[tuple[str, str]]:
        kind = KINDS[self.kind]
        words = {
            "name": self.name,
            "module": self.module,
            "Class": "".join(part.capitalize() for part in self.name.split("-")),
            "noun": kind.noun,
            "doc": kind.doc,
            "requires": kind.requires,
        }
        templates = files("trioarb.plugin") / "templates"
        for folder in (self.kind, "common"):
            for path, text in _texts(templates / folder, ""):
                name = path.removesuffix(_SUFFIX).replace("/package/", f"/{self.module}/")
                yield name, Template(text).substitute(words)


def _texts(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    """Yield the files below a folder with their paths, those in folders first."""
    found = sorted(folder.iterdir(), key=lambda one: (one.is_file(), one.name))
    for one in found:
        if one.is_dir():
            yield from _texts(one, f"{path}{one.name}/")
        elif one.name.endswith(_SUFFIX):
            yield f"{path}{one.name}", one.read_text(encoding="utf-8")
