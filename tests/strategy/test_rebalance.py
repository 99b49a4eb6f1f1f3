"""What would have to be moved so that every venue holds as much again."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trioarb.config.schema import Withdrawal
from trioarb.strategy.rebalance import rebalanced

VENUES = "abcd"
NOTHING = Decimal(0)


def terms(fee: str = "0", least: str = "0") -> Withdrawal:
    return Withdrawal(fee=Decimal(fee), minutes=Decimal(20), least=Decimal(least))


@given(
    held=st.dictionaries(st.sampled_from(VENUES), st.decimals(-50, 1000, places=6), min_size=1),
    fee=st.sampled_from(["0", "0.5"]),
    tolerance=st.decimals(0, 1, places=2),
)
def test_transfers_bring_every_venue_to_the_mean_and_create_nothing(
    held: dict[str, Decimal], fee: str, tolerance: Decimal
) -> None:
    found = rebalanced({"BTC": held}, {venue: {"BTC": terms(fee)} for venue in VENUES}, tolerance=tolerance)

    assert not found.unknown
    assert len(found.transfers) + len(found.too_small) <= max(len(held) - 1, 0)
    after = dict(held)
    for one in found.transfers:
        assert one.amount > one.fee
        after[one.source] -= one.amount
        after[one.target] += one.arrives
    assert sum(after.values()) == sum(held.values()) - len(found.transfers) * Decimal(fee)
    mean = sum(held.values()) / len(held)
    if not found.transfers or found.too_small or mean <= 0:
        return
    # Fees come off what arrives, and shares are cut after eight digits.
    lost = len(found.transfers) * Decimal(fee) + Decimal("1e-6")
    assert all(mean - lost <= amount <= mean + Decimal("1e-6") for amount in after.values())


def test_who_is_near_the_mean_is_left_alone() -> None:
    held = {"BTC": {"a": Decimal("1.09"), "b": Decimal("0.91")}}
    assert not rebalanced(held, {}, tolerance=Decimal("0.1")).unknown
    assert rebalanced(held, {}, tolerance=Decimal("0.05")).unknown == [("a", "BTC")]


def test_what_the_venue_keeps_or_does_not_let_go_is_not_moved() -> None:
    held = {"BTC": {"a": Decimal(2), "b": NOTHING}}
    for one in (terms(fee="1"), terms(least="1.1")):
        found = rebalanced(held, {"a": {"BTC": one}}, tolerance=NOTHING)
        assert not found.transfers
        assert found.too_small == [("BTC", "a", Decimal(1))]
