"""A class folds the events that its methods' annotations name."""

from __future__ import annotations

import pytest

from trioarb.journal.fold import Folding, Folds
from trioarb.model.event import MarketDown, MarketUp, OrderCancelled, OrderRejected, Record


class Counting(Folding):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def _up(self, up: MarketUp, record: Record) -> None:
        self.seen.append(f"{record.seq} {up.venue}")

    def _done(self, event: OrderCancelled | OrderRejected, _: Record) -> None:
        self.seen.append(event.client_order_id)

    def say(self, down: MarketDown, record: Record, more: str) -> None:
        """Takes more than a fold does."""

    def book(self, record: Record, down: MarketDown) -> None:
        """Takes it the other way round."""


def test_methods_fold_what_they_are_annotated_with() -> None:
    one = Counting()
    assert one.folds.keys() == {MarketUp, OrderCancelled, OrderRejected}

    folds = Folds([one])
    for seq, event in enumerate(
        (MarketUp(venue="a"), OrderRejected(client_order_id="c-1", reason=""), MarketDown(venue="a", reason="")), 1
    ):
        folds.apply(Record(seq, 0, event))
    assert one.seen == ["1 a", "c-1"]


def test_a_subclass_folds_more_and_otherwise() -> None:
    class More(Counting):
        def _up(self, up: MarketUp, record: Record) -> None:
            self.seen.append("up")

        def _down(self, down: MarketDown, _: Record) -> None:
            self.seen.append("down")

    one = More()
    for fold in (MarketUp, MarketDown):
        assert fold in one.folds
    one.folds[MarketUp](MarketUp(venue="a"), Record(1, 0, MarketUp(venue="a")))
    assert one.seen == ["up"]


def test_two_methods_for_one_event_are_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"Twice folds MarketUp by _again and by _up"):

        class Twice(Counting):
            def _again(self, up: MarketUp, record: Record) -> None: ...
