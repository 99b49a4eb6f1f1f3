"""Faults on purpose: what the engine sees of each, and that the books balance whatever goes wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio
from recompute import check
from structlog.testing import capture_logs

from trioarb.api import (
    SECOND_NS,
    Book,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Order,
    OrderRejected,
    OrderStatus,
    OrderUpdate,
    Quote,
    Side,
    TimeInForce,
    VenueError,
)
from trioarb.config.load import load_table
from trioarb.errors import ConfigError
from trioarb.plugin.registry import load_plugins
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.time.campaign_time import RealTime

#: (venue, bid, ask): an edge from a to b, and none.
WIDE = (("a", 100.0, 100.1), ("b", 101.0, 101.1))
NARROW = (("a", 100.5, 100.6), ("b", 100.4, 100.5))


def venues(
    a: Mapping[str, Any] | None = None, b: Mapping[str, Any] | None = None, *, seed: int = 7, **paper: Any
) -> dict[str, Any]:
    """Two paper venues, faulty where faults are given. ``paper`` holds keys of both paper venues."""
    config = two_venues()
    config["execution"] = {"residual_policy": "hold"}
    config["session"]["seed"] = seed
    for venue, faults in (("a", a), ("b", b)):
        table = config["exchanges"][venue] | {"tick_size": "0.1", "lot_size": "0.01", **paper}
        market = table.pop("market")
        if faults is None:
            config["exchanges"][venue] = table | {"market": market}
        else:
            config["exchanges"][venue] = {"plugin": "faulty", "wraps": {"plugin": "paper", **table}, "market": market}
            config["exchanges"][venue] |= faults
    config["strategy"] = {"entry_bps": 20, "exit_bps": -15, "order_size_usd": 400}
    config["guards"] = {"symbol": {"cooldown_seconds": 1000}}
    return config


def run(config: Mapping[str, Any], *, symbols: Sequence[str] = ("BTC",), rounds: int = 1) -> CampaignResult:
    """Enter at second 1 (buy at a, sell at b); from second 20 on the exit threshold is met. The books must balance."""
    quotes: dict[str, list[tuple[float, str, float, float, float, float]]] = {"a": [], "b": []}
    for second in range(1, 60 * rounds):
        for venue, bid, ask in WIDE if second % 60 < 20 else NARROW:
            for base in symbols:
                quotes[venue].append((float(second), f"{base}USDT", bid, 50.0, ask, 50.0))
    tapes = {venue: ScriptedTape(rows, listings=[*map(listing, symbols)]) for venue, rows in quotes.items()}
    result = run_virtual(config, plugins={"market": scripted_market(tapes)})
    borrowed = {"a": 1_000, "b": 1_000} if "margin" in str(config) else {}
    check(result.events, borrow_usd=borrowed)
    assert result.campaign.error == ""
    return result


def scripted(*script: str, **settings: Any) -> CampaignResult:
    """Let venue a, where the entry buys with its first order, suffer the script."""
    return run(venues({"script": list(script), **settings}))


def of_order(result: CampaignResult, number: int, venue: str = "a") -> list[Mapping[str, Any]]:
    """Return the events of the n-th order that was sent to a venue."""
    orders = [event["client_order_id"] for event in result.of_type("order_submitted") if event["venue"] == venue]
    return [event for event in result.events if event.get("client_order_id") == orders[number - 1]]


def kinds(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("order_") for event in events]


def filled(events: Sequence[Mapping[str, Any]]) -> Decimal:
    return sum((Decimal(event["quantity"]) for event in events if event["type"] == "order_filled"), Decimal(0))


def entry_outcome(result: CampaignResult) -> str:
    return str(result.of_type("pair_ended")[0]["outcome"])


def test_without_a_fault_it_is_as_if_nothing_stood_between() -> None:
    def as_text(result: CampaignResult) -> str:
        # Identifiers contain the configuration's digest.
        digest = result.events[0]["config_digest"]
        opened = {**result.events[0], "warnings": []}  # one says that no fault is switched on
        return json.dumps([opened, *result.events[1:]]).replace(digest[:6], "").replace(digest[6:], "")

    plain, wrapped = run(venues(), rounds=2), run(venues({}, {}), rounds=2)

    assert len(plain.of_type("position_closed")) == 1
    assert as_text(wrapped) == as_text(plain)


def test_a_refused_order_executes_nothing() -> None:
    result = scripted("1:reject")

    submitted, rejected = of_order(result, 1)
    assert (submitted["type"], rejected["type"]) == ("order_submitted", "order_rejected")
    assert rejected["reason"] == "a: refused by a fault"
    assert entry_outcome(result) in ("hedged", "flat")
    assert result.exit_code == 0


def test_a_part_of_an_order_is_filled_and_the_rest_cancelled() -> None:
    quantities = set()
    for seed in range(5):
        result = run(venues({"script": ["1:partial"]}, seed=seed))
        submitted, acknowledged, fill, cancelled = of_order(result, 1)

        assert kinds([acknowledged, fill, cancelled]) == ["acknowledged", "filled", "cancelled"]
        assert 0 < Decimal(fill["quantity"]) < Decimal(submitted["quantity"])
        assert Decimal(fill["quantity"]) % Decimal("0.01") == 0
        assert Decimal(fill["quantity"]) + Decimal(cancelled["unfilled"]) == Decimal(submitted["quantity"])
        assert result.exit_code == 0
        quantities.add(fill["quantity"])
    assert len(quantities) > 2


@pytest.mark.parametrize(
    ("paper", "least"), [({"min_notional": 350}, Decimal("3.5")), ({"min_notional": 0}, Decimal(0))]
)
def test_a_part_is_what_the_venue_would_take(paper: dict[str, Any], least: Decimal) -> None:
    for seed in range(5):
        result = run(venues({"script": ["1:partial"]}, seed=seed, **paper))

        assert filled(of_order(result, 1)) >= max(least, Decimal("0.01"))


def test_an_order_of_one_lot_passes_whole() -> None:
    result = run(venues({"script": ["1:partial", "1:reorder_fills"]}, lot_size="3"))

    assert kinds(of_order(result, 1)) == ["submitted", "acknowledged", "filled"]
    assert of_order(result, 1)[2]["fill_id"] == "a-1-1"


def test_a_fill_that_is_split_costs_what_its_parts_cost_however_small_the_fee() -> None:
    result = run(venues({"script": ["1:reorder_fills"]}, taker_fee_bps="-0.0000000953"))

    fills = [event for event in of_order(result, 1) if event["type"] == "order_filled"]
    assert len(fills) == 2
    for fill in fills:
        value = Decimal(fill["quantity"]) * Decimal(fill["price"])
        assert Decimal(fill["fee"]) == value * Decimal("-0.00000000000953")


def test_a_lost_answer_is_learnt_by_asking() -> None:
    result = scripted("1:lose_ack")

    submitted, unknown, _, fill = of_order(result, 1)
    assert unknown["type"] == "order_unknown"
    assert unknown["reason"] == "a: the answer was lost"
    assert fill["quantity"] == submitted["quantity"]
    assert entry_outcome(result) == "hedged"
    assert result.exit_code == 0


def test_the_lost_answer_of_a_part_is_still_one_of_the_whole_order() -> None:
    result = scripted("1:partial", "1:lose_ack", "1:reorder_fills")

    events = of_order(result, 1)
    assert kinds(events) == ["submitted", "unknown", "acknowledged", "filled", "filled", "cancelled"]
    assert [event["fill_id"] for event in events[3:5]] == ["a-1-1-1", "a-1-1-2"]
    assert filled(events) + Decimal(events[-1]["unfilled"]) == Decimal(events[0]["quantity"])
    assert result.exit_code == 0


def test_a_lost_order_is_waited_for_and_never_arrives() -> None:
    result = scripted("1:lose_order")

    submitted, unknown, rejected = of_order(result, 1)
    assert unknown["reason"] == "no answer within 5 s"
    assert unknown["ts_ns"] - submitted["ts_ns"] == 5 * SECOND_NS
    assert rejected["reason"] == "never reached the venue"
    assert entry_outcome(result) in ("hedged", "flat")
    assert result.exit_code == 0


def test_a_repeated_fill_is_booked_once() -> None:
    result = scripted("1:duplicate_fills")

    submitted, unknown, _, fill = of_order(result, 1)
    assert unknown["type"] == "order_unknown"
    assert "one fill twice" in unknown["reason"]
    assert fill["quantity"] == submitted["quantity"]
    assert result.exit_code == 0


@pytest.mark.parametrize("paper", [{}, {"fee_asset": "received", "taker_fee_bps": "3.7"}])
def test_fills_in_reverse_order_add_up_to_the_same(paper: dict[str, Any]) -> None:
    result, plain = run(venues({"script": ["1:reorder_fills"]}, **paper)), run(venues(**paper))

    _, _, last, first = of_order(result, 1)
    (whole,) = [event for event in of_order(plain, 1) if event["type"] == "order_filled"]
    assert (first["fill_id"], last["fill_id"]) == (f"{whole['fill_id']}-1", f"{whole['fill_id']}-2")
    assert first["price"] == last["price"] == whole["price"]
    assert first["fee_asset"] == last["fee_asset"] == whole["fee_asset"]
    for key in ("quantity", "fee"):
        assert Decimal(first[key]) + Decimal(last[key]) == Decimal(whole[key])
        assert min(Decimal(first[key]), Decimal(last[key])) > 0
    assert result.exit_code == 0


def test_a_delay_adds_to_the_latency_on_either_way() -> None:
    """Later than the venue's own 40 ms, by up to 3 s; what a longer one means depends on the way it is on."""
    took = []
    for seed in range(12):
        result = run(venues({"script": ["1:delay"], "delay_ms": 3_000}, seed=seed))
        events = of_order(result, 1)
        assert kinds(events)[:2] == ["submitted", "acknowledged"]
        took.append(events[1]["ts_ns"] - events[0]["ts_ns"])

    assert all(40_000_000 < ns <= 3_040_000_001 for ns in took)
    assert max(took) - min(took) > SECOND_NS


def test_a_delay_beyond_the_timeout_never_arrives_or_was_executed() -> None:
    ends = Counter()
    for seed in range(12):
        result = run(venues({"script": ["1:delay"], "delay_ms": 600_000}, seed=seed))
        events = of_order(result, 1)
        if kinds(events)[1] == "unknown":
            assert events[1]["reason"] == "no answer within 5 s"
            ends[kinds(events)[-1]] += 1
        assert result.exit_code == 0

    assert ends.keys() == {"rejected", "filled"}
    assert min(ends.values()) > 1


def test_a_rate_limit_refuses_until_it_is_over() -> None:
    result = scripted("1:rate_limit", rate_limit_seconds=2)

    limited = [event for event in result.of_type("order_rejected") if "429 too many requests" in event["reason"]]
    begun = of_order(result, 1)[0]["ts_ns"]
    assert limited
    assert all(event["ts_ns"] < begun + 2 * SECOND_NS for event in limited)
    assert limited[0]["reason"] == "a: 429 too many requests, for 2.000 s more"
    assert entry_outcome(result) in ("hedged", "flat")
    assert result.exit_code == 0


def test_nothing_can_be_asked_during_a_rate_limit() -> None:
    """The first symbol's answer is lost just before the second symbol's order calls the limit."""
    config = venues({"script": ["1:lose_ack", "2:rate_limit"], "rate_limit_seconds": 3})

    result = run(config, symbols=("BTC", "ETH"))

    _, unknown, acknowledged, _ = of_order(result, 1)
    assert unknown["type"] == "order_unknown"
    assert acknowledged["ts_ns"] - unknown["ts_ns"] > 2.9 * SECOND_NS
    assert result.exit_code == 0


def test_without_a_connection_nothing_arrives_and_nothing_is_known_until_it_is_back() -> None:
    result = scripted("1:disconnect", disconnect_seconds=3)

    submitted, unknown, rejected = of_order(result, 1)
    assert unknown["reason"] == "a: not connected, for 3.000 s more"
    assert unknown["ts_ns"] == submitted["ts_ns"]
    assert rejected["reason"] == "never reached the venue"
    assert 3 * SECOND_NS < rejected["ts_ns"] - submitted["ts_ns"] < 4 * SECOND_NS
    assert entry_outcome(result) in ("hedged", "flat")
    assert result.exit_code == 0


def test_an_order_that_is_asked_for_again_and_again_is_warned_of_once() -> None:
    with capture_logs() as logs:
        scripted("1:disconnect", disconnect_seconds=3)

    said = [one for one in logs if one["event"] == "order not known yet"]
    assert len(said) > 10
    assert len([one for one in said if one["log_level"] == "warning"]) == len({one["order"] for one in said})


def test_a_disconnection_takes_the_answers_that_are_under_way_with_it() -> None:
    """Both symbols send within the venue's latency: the first order arrives, its answer doesn't."""
    config = venues({"script": ["2:disconnect"], "disconnect_seconds": 3}, latency_ms=700)

    result = run(config, symbols=("BTC", "ETH"))

    assert kinds(of_order(result, 1)) == ["submitted", "unknown", "acknowledged", "filled"]
    assert kinds(of_order(result, 2)) == ["submitted", "unknown", "rejected"]
    assert result.exit_code == 0


def test_a_wrong_clock_refuses_orders_until_it_is_right() -> None:
    result = scripted("1:clock_skew", clock_skew_seconds=1)

    refused = [event for event in result.of_type("order_rejected") if "receive window" in event["reason"]]
    begun = of_order(result, 1)[0]["ts_ns"]
    assert refused[0]["reason"] == "a: timestamp outside of the receive window"
    assert all(event["ts_ns"] < begun + SECOND_NS for event in refused)
    assert result.exit_code == 0


def test_a_venue_that_stays_away_leaves_a_residual() -> None:
    result = scripted("1:disconnect", disconnect_seconds=60)

    assert entry_outcome(result) == "residual"
    assert kinds(of_order(result, 1))[:2] == ["submitted", "unknown"]
    assert {event["venue"] for event in result.of_type("residual_left")} == {"a", "b"}
    assert result.exit_code == 3


def test_a_scripted_order_suffers_what_the_script_says_and_all_others_what_chance_says() -> None:
    result = scripted("1:lose_ack", "3:partial", reject=1)

    unknown = of_order(result, 1)[1]
    assert unknown["reason"] == "a: the answer was lost"
    assert kinds(of_order(result, 2)) == ["submitted", "rejected"]
    assert "cancelled" in kinds(of_order(result, 3))
    assert kinds(of_order(result, 4)) == ["submitted", "rejected"]


def test_an_order_during_an_episode_is_counted_and_suffers_nothing_else() -> None:
    result = scripted("1:rate_limit", "2:disconnect", "3:reject", "4:lose_ack", rate_limit_seconds="0.25")

    # 0.25 s and a retry every 0.1 s: the episode covers the orders 1 to 3.
    reasons = [event["reason"] for event in result.of_type("order_rejected")]
    assert reasons
    assert all("429" in reason for reason in reasons)
    assert not [event for event in result.of_type("order_unknown") if "not connected" in event["reason"]]


def test_probabilities_end_with_the_active_time() -> None:
    result = run(venues({"lose_ack": 1, "active_seconds": 30}))

    unknown = [event["ts_ns"] for event in result.of_type("order_unknown")]
    start_ns = result.events[0]["ts_ns"]
    assert unknown
    assert all(ts_ns < start_ns + 30 * SECOND_NS for ts_ns in unknown)
    assert result.campaign.runtime_seconds > 30


def test_switching_one_fault_on_does_not_shift_another() -> None:
    """Orders are many; a split fill and a delay of a nanosecond change nothing about which are sent."""

    def split(**faults: Any) -> list[bool]:
        config = venues({"reorder_fills": 0.3, "delay_ms": "0.000001", **faults})
        config["strategy"]["max_holding_seconds"] = 1
        config["guards"]["symbol"] = {"cooldown_seconds": 0, "circuit_breaker_loss_count": 0}
        result = run(config)
        fills = Counter(event["client_order_id"] for event in result.of_type("order_filled"))
        return [fills[event["client_order_id"]] > 1 for event in result.of_type("order_submitted")]

    alone, together = split(), split(delay=0.5)

    assert len(alone) > 50
    assert sum(alone) > 5
    assert together == alone


def test_the_seed_decides() -> None:
    config = venues({"partial": 0.5, "delay": 0.5}, {"lose_ack": 0.5})

    assert run(config).events == run(config).events
    assert run(config).events != run(config | {"session": config["session"] | {"seed": 8}}).events


def test_a_margin_account_stays_one() -> None:
    config = venues({}, {"partial": 0.5}, account="margin", max_borrow_usd=1_000, inventory_usd_per_symbol=0)

    assert run(config).of_type("position_closed")


def test_wrapped_twice_it_fails_twice() -> None:
    config = venues({"script": ["1:partial"]})
    inner = config["exchanges"]["a"]["wraps"]
    config["exchanges"]["a"]["wraps"] = {"plugin": "faulty", "script": ["1:partial", "1:lose_ack"], "wraps": inner}

    result = run(config)

    submitted, unknown, acknowledged, fill, cancelled = of_order(result, 1)
    assert kinds([unknown, acknowledged, fill, cancelled]) == ["unknown", "acknowledged", "filled", "cancelled"]
    assert Decimal(fill["quantity"]) + Decimal(cancelled["unfilled"]) == Decimal(submitted["quantity"])


@attrs.frozen
class Bench:
    """A faulty venue around a paper one, outside of any campaign; one symbol, quoted at 100 to 101."""

    venue: Exchange
    paper: Exchange
    context: ExchangeContext

    def order(self, number: int, quantity: str = "4") -> Order:
        return Order(
            client_order_id=f"o{number}",
            venue="a",
            symbol="BTCUSDT",
            side=Side.BUY,
            quantity=Decimal(quantity),
            limit_price=Decimal(101),
        )


async def bench(
    stack: AsyncExitStack, *script: str, state: Path | None = None, resumed: bool = False, **settings: Any
) -> Bench:
    plugins = load_plugins()
    paper_spec, spec = plugins.get(ExchangeSpec, "paper"), plugins.get(ExchangeSpec, "faulty")
    context = ExchangeContext(
        venue="a",
        seed=7,
        time=RealTime(0),
        touch=lambda symbol: Quote(bid=100.0, bid_size=50.0, ask=101.0, ask_size=50.0, received_ns=0, serial=1),
        book=lambda symbol: Book(
            bids=(100.0,), bid_sizes=(50.0,), asks=(101.0,), ask_sizes=(50.0,), received_ns=0, serial=1
        ),
        watch=lambda symbol, see: None,
        market_rules=lambda symbol: None,
        fx={"USDT": Decimal(1)},
        state=state,
        resumed=resumed,
    )
    funds = {"balances": {"USDT": Decimal(10_000)}}
    paper = await stack.enter_async_context(paper_spec.open(paper_spec.settings(**funds), context))
    faulty = spec.settings(script=script, **settings)
    venue = await stack.enter_async_context(spec.open(faulty, attrs.evolve(context, inner=paper)))
    await venue.instruments([listing("BTC")])
    return Bench(venue, paper, context)


@pytest.mark.parametrize(
    ("episode", "said"), [("disconnect", "a: not connected, for 3.000 s"), ("rate_limit", "a: 429 too many requests")]
)
async def test_an_episode_concerns_every_question(episode: str, said: str, autojump_clock: object) -> None:
    async with AsyncExitStack() as stack:
        at = await bench(stack, f"2:{episode}")
        await at.venue.place(at.order(1))
        with pytest.raises(VenueError, match=said):
            await at.venue.place(at.order(2))
        for ask in (
            at.venue.balances,
            partial(at.venue.order, "o1"),
            partial(at.venue.orders, ["BTCUSDT"], 0),
        ):
            with pytest.raises(VenueError, match=said):
                await ask()
        await trio.sleep(3)

        assert await at.venue.order("o2") is None
        assert await at.venue.order("o1") == await at.paper.order("o1")
        assert await at.venue.balances() == await at.paper.balances()


async def test_while_an_episode_holds_no_other_begins(autojump_clock: object) -> None:
    async with AsyncExitStack() as stack:
        at = await bench(stack, "1:clock_skew", "2:disconnect")
        for number in (1, 2):
            with pytest.raises(OrderRejected, match="receive window"):
                await at.venue.place(at.order(number))
        await at.venue.balances()
        await trio.sleep(3)

        assert (await at.venue.place(at.order(3))).status is OrderStatus.FILLED


async def test_a_lost_order_leaves_no_trace(autojump_clock: object) -> None:
    async with AsyncExitStack() as stack:
        at = await bench(stack, "1:lose_order")
        with trio.move_on_after(3600) as waiting:
            await at.venue.place(at.order(1))

        assert waiting.cancelled_caught
        assert await at.venue.order("o1") is None
        assert await at.venue.orders(["BTCUSDT"], 0) == []


async def test_the_venue_remembers_whole_orders_and_every_fill_once(autojump_clock: object, tmp_path: Path) -> None:
    """Also in another process, which has nothing but the files."""
    script = ["1:partial", "2:reorder_fills", "2:duplicate_fills", "3:partial", "3:reorder_fills", "3:lose_ack"]
    state = tmp_path / "a.jsonl"
    async with AsyncExitStack() as stack:
        at = await bench(stack, *script, state=state)
        cut = await at.venue.place(at.order(1))
        garbled = await at.venue.place(at.order(2))
        with pytest.raises(VenueError, match="the answer was lost"):
            await at.venue.place(at.order(3))
        plain = await at.venue.place(at.order(4))
        remembered = await at.venue.orders(["BTCUSDT"], 0)
        executed = await at.paper.orders(["BTCUSDT"], 0)
    async with AsyncExitStack() as stack:
        again = await bench(stack, state=state, resumed=True)
        assert await again.venue.orders(["BTCUSDT"], 0) == remembered
        assert await again.venue.order("o1") == cut

    assert [one.order for one in remembered] == [at.order(number) for number in (1, 2, 3, 4)]
    reports = [one.report for one in remembered if one.report is not None]
    assert (reports[0], reports[3]) == (cut, plain)
    assert [fill.fill_id for fill in garbled.fills] == ["a-2-1-2", "a-2-1-1", "a-2-1-2"]
    assert garbled.fills[1::-1] == reports[1].fills
    assert [fill.fill_id for fill in reports[2].fills] == ["a-3-1-1", "a-3-1-2"]
    assert [report.status for report in reports] == [
        OrderStatus.CANCELLED,
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.FILLED,
    ]
    for told, really in zip(reports, (one.report for one in executed), strict=True):
        assert really is not None
        assert told.filled == really.filled
        assert sum(fill.fee for fill in told.fills) == sum(fill.fee for fill in really.fills)


async def test_a_torn_memory_is_taken_up_and_a_damaged_one_is_refused(autojump_clock: object, tmp_path: Path) -> None:
    state = tmp_path / "a.jsonl"
    async with AsyncExitStack() as stack:
        at = await bench(stack, "1:partial", state=state)
        await at.venue.place(at.order(1))
        remembered = await at.venue.orders(["BTCUSDT"], 0)
    memory = tmp_path / "a.jsonl.faulty1"
    memory.write_text(memory.read_text() + '["o2", "4')
    for script in (["1:partial"], []):
        async with AsyncExitStack() as stack:
            again = await bench(stack, *script, state=state, resumed=True)
            for number in range(2, 2 + len(script)):
                await again.venue.place(again.order(number))
            assert (await again.venue.orders(["BTCUSDT"], 0))[:1] == remembered
            assert (await again.venue.orders(["BTCUSDT"], 0))[-1].order.quantity == 4
    memory.write_text("what?\n")
    async with AsyncExitStack() as stack:
        with pytest.raises(VenueError, match="faulty1 can't be read"):
            await bench(stack, state=state, resumed=True)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("lose_ack", 'script: "lose_ack" is not NUMBER:FAULT'),
        ("0:lose_ack", "numbers start at 1"),
        ("x:lose_ack", "is not NUMBER:FAULT"),
        ("²:lose_ack", "is not NUMBER:FAULT"),
        ("3:loseack", "names no fault (allowed: delay, reject, partial,"),
        ("3:loseack", "did you mean 'lose_ack'?"),
    ],
)
def test_a_wrong_script_is_refused(entry: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_table(venues({"script": ["1:delay", entry]}), load_plugins({"market": scripted_market({})}))

    (problem,) = caught.value.problems
    assert problem.key == "exchanges.a"
    assert said in problem.message


@pytest.mark.parametrize(
    ("exchange", "market", "warnings"),
    [
        ({"script": ["1:reject"]}, {"drop": "0.1"}, []),
        ({"lose_ack": 1}, {"skew_ms": 1}, []),
        ({}, {}, ["exchanges.a: no fault is switched on", "exchanges.a.market: no fault is switched on"]),
        ({"reject": 1}, {"drop": 1}, ["exchanges.a: reject = 1: no order", "exchanges.a.market: drop = 1: no sound"]),
        ({"delay": "0.1", "delay_ms": 90_000}, {"stale": "0.1"}, ["exchanges.a: delay_ms = 90000: nobody waits"]),
    ],
)
def test_what_is_questionable_is_said(exchange: dict[str, Any], market: dict[str, Any], warnings: list[str]) -> None:
    config = venues(exchange)
    config["exchanges"]["a"]["market"] = {"plugin": "faulty", "wraps": {"plugin": "scripted"}, **market}

    found = load_table(config, load_plugins({"market": scripted_market({})})).warnings

    assert len(found) == len(warnings)
    assert all(text.startswith(start) for text, start in zip(found, warnings, strict=True))


async def told(at: Bench, seconds: float = 60) -> list[OrderUpdate]:
    """Return what the stream of updates tells for so long."""
    said = list[OrderUpdate]()
    with trio.move_on_after(seconds):
        await at.venue.updates(said.append)
    return said


ACK, DONE = (OrderStatus.OPEN, 0, 0), (OrderStatus.FILLED, 1, 4)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("acknowledge", [ACK, DONE]),
        ("early_done", [(OrderStatus.FILLED, 0, 4), (OrderStatus.OPEN, 1, 4), ACK]),
        ("late_fill", [ACK, (OrderStatus.CANCELLED, 0, 0), DONE]),
        ("replay_updates", [ACK, DONE, ACK, DONE]),
    ],
)
async def test_updates_tell_what_the_answer_did_not(
    fault: str, expected: list[tuple[OrderStatus, int, int]], autojump_clock: object
) -> None:
    """The venue itself knows better: asked for the order, it says all of it."""
    async with AsyncExitStack() as stack:
        at = await bench(stack, f"1:{fault}")
        answer = await at.venue.place(at.order(1))
        assert (answer.status, answer.fills) == (OrderStatus.OPEN, ())
        said = await told(at)

        assert [(one.status, len(one.fills), one.filled or 0) for one in said] == expected
        whole = await at.venue.order("o1")
        assert whole is not None
        assert {fill for one in said for fill in one.fills} == set(whole.fills)


async def test_what_would_be_told_while_the_stream_is_cut_is_lost(autojump_clock: object) -> None:
    async with AsyncExitStack() as stack:
        at = await bench(stack, "1:acknowledge", "2:cut_stream", "3:acknowledge", "4:acknowledge")
        said = list[OrderUpdate]()
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                with pytest.raises(ExceptionGroup) as raised:
                    await at.venue.updates(said.append)
                assert raised.group_contains(VenueError, match="a: the stream of updates was cut")

            nursery.start_soon(listen)
            for number in (1, 2, 3):
                await at.venue.place(at.order(number))
        with pytest.raises(VenueError, match="the stream of updates was cut"):
            await at.venue.updates(said.append)
        await trio.sleep(3)
        await at.venue.place(at.order(4))
        said += await told(at)

        assert {one.client_order_id for one in said} == {"o1", "o4"}
        assert (await at.venue.order("o3")) is not None


async def test_a_late_cancellation_may_find_the_order_filled(autojump_clock: object) -> None:
    async with AsyncExitStack() as stack:
        at = await bench(stack, "1:late_cancel", delay_ms=Decimal(5_000))
        resting = msgspec.structs.replace(at.order(1), limit_price=Decimal(90), time_in_force=TimeInForce.GTC)
        assert (await at.venue.place(resting)).status is OrderStatus.OPEN
        began = trio.current_time()
        await at.venue.cancel("o1")

        assert trio.current_time() - began > 0.1
        assert [one.status for one in await told(at)] == [OrderStatus.CANCELLED]
