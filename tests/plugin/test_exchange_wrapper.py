"""A wrapper of an exchange passes on all that the contract has, also what is new in it."""

from __future__ import annotations

import inspect
from typing import Any

from trioarb.api import Exchange, ExchangeWrapper, Offer, Order, OrderReport
from trioarb.plugin.contract import answers_instead

METHODS = [name for name, value in vars(Exchange).items() if inspect.isfunction(value) and not name.startswith("_")]


def inner(**attributes: Any) -> Any:
    """Return an exchange whose ``calls`` say how it was called."""

    def noted(name: str) -> Any:
        def at_once(self: Any, *args: Any, **options: Any) -> str:
            self.calls.append((name, args, options))
            return name

        async def in_time(self: Any, *args: Any, **options: Any) -> str:
            return at_once(self, *args, **options)

        return in_time if inspect.iscoroutinefunction(getattr(Exchange, name)) else at_once

    found: Any = type("Inner", (Exchange,), {name: noted(name) for name in METHODS})()
    for name, value in {**attributes, "calls": []}.items():
        setattr(found, name, value)
    return found


async def test_every_method_is_passed_on() -> None:
    wrapper: Any = ExchangeWrapper(inner())

    for name in METHODS:
        parameters = inspect.signature(getattr(Exchange, name)).parameters.values()
        args = tuple(object() for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self")
        options = {one.name: object() for one in parameters if one.kind is one.KEYWORD_ONLY}
        answer = getattr(wrapper, name)(*args, **options)
        if inspect.isawaitable(answer):
            answer = await answer
        assert wrapper.inner.calls.pop() == (name, args, options)
        assert answer in (name, None)  # some return nothing


def test_every_attribute_is_passed_on() -> None:
    attributes = {name: object() for name in Exchange.__annotations__}
    wrapper = ExchangeWrapper(inner(**attributes))

    assert {name: getattr(wrapper, name) for name in attributes} == attributes
    assert {"offers", "streams", "grants_inventory", "simulates_transfers"} <= attributes.keys()


class Placing(ExchangeWrapper):
    async def place(self, order: Order) -> OrderReport:
        raise NotImplementedError


def test_a_place_of_its_own_is_not_passed_by_however_deep_it_lies() -> None:
    order: Any = object()

    assert ExchangeWrapper(inner()).answers_at_ns(order) is not None
    assert not answers_instead(Placing)
    assert ExchangeWrapper(Placing(inner())).answers_at_ns(order) is None
    assert ExchangeWrapper(ExchangeWrapper(Placing(inner()))).answers_at_ns(order) is None


def test_what_a_wrapper_changes_is_its_own() -> None:
    class Plain(ExchangeWrapper):
        def __init__(self, inner: Exchange) -> None:
            super().__init__(inner)
            self.offers = frozenset({Offer.GTC})

    assert Plain(inner(offers=frozenset())).offers == {Offer.GTC}
