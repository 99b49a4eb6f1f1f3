"""Which kinds of plugins can be judged, each by a module of its own that is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any

import attrs

from trioarb.errors import ConfigError
from trioarb.plugin.spec import PluginSpec
from trioarb.settings.problem import Problem, nearest
from trioarb.testing.conformance.case import Case
from trioarb.testing.conformance.subject import Subject, Trial

__all__ = ["KINDS", "Kind", "kind_named"]


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of plugins, and its cases.

    Attributes:
        spec: The class of its specs.
        cases: Its cases, in the order in which they are run.
        trial: Makes one try of it in the running loop; a case gets what that gives.
        refusal: Says why a subject can't be judged at all, or ''.
    """

    spec: type[PluginSpec[Any, Any]]
    cases: tuple[Case[Any], ...]
    trial: Callable[[Trial], AbstractAsyncContextManager[Any]]
    refusal: Callable[[Subject], str] = lambda subject: ""


#: Where the `Kind` of each is, by what its spec is called.
KINDS: Mapping[str, str] = {
    "alert channel": "trioarb.testing.conformance.alert:KIND",
    "exchange": "trioarb.testing.conformance.exchange:KIND",
    "guard tier": "trioarb.testing.conformance.guard:KIND",
    "market data": "trioarb.testing.conformance.market:KIND",
    "strategy": "trioarb.testing.conformance.strategy:KIND",
    "symbol source": "trioarb.testing.conformance.source:KIND",
}

#: As `trioarb plugins new` has them.
_SHORT = {
    "source": "symbol source",
    "market": "market data",
    "guard": "guard tier",
    "alert": "alert channel",
}


def kind_named(name: str) -> Kind:
    """Return a kind by its name, such as ``guard tier``, or the short one, ``guard``.

    Args:
        name: The name; what `PluginSpec.kind` says, or what `trioarb plugins new` takes.

    Raises:
        ConfigError: There are no cases for it.
    """
    place = KINDS.get(_SHORT.get(name, name))
    if place is None:
        names = sorted(KINDS)
        raise ConfigError(
            [
                Problem(
                    key="kind",
                    message="there are no cases for plugins of this kind",
                    value=f'"{name}"',
                    allowed=", ".join(names),
                    suggestion=nearest(name, names),
                )
            ]
        )
    module, _, attribute = place.partition(":")
    kind: Kind = getattr(import_module(module), attribute)
    return kind
