"""Exchanges that are broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import attrs
import pytest
import trio
from msgspec.structs import replace
from troubled import SETTINGS, Right, judged

from trioarb.api import (
    Exchange,
    ExchangeSpec,
    Fill,
    Instrument,
    Liquidation,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Quote,
    SelfTrade,
    Side,
    TimeInForce,
    VenueError,
    VenueOrder,
    setting,
)
from trioarb.errors import PluginError
from trioarb.testing import plugin_of
from trioarb.testing.conformance import Report, Verdict, judge, kind_named
from trioarb.testing.conformance.stage import Trouble


class LeavesATask(Right):
    async def begin(self) -> None:
        await super().begin()
        trio.lowlevel.spawn_system_task(trio.sleep_forever)


class MixesItsAssetsUp(Right):
    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        found = await super().instruments(listings)
        return {name: attrs.evolve(one, quote=one.base, base=one.quote) for name, one in found.items()}


class BalancesThatWander(Right):
    asked = 0

    async def balances(self) -> Mapping[str, Decimal]:
        self.asked += 1
        return {**await super().balances(), "DUST": Decimal(self.asked)}


class LeavesASocketWhereItFails(Right):
    async def begin(self) -> None:
        LEFT.extend(sockets := socket.socketpair())
        try:
            await super().begin()
        except VenueError:
            raise
        except BaseException:
            close(sockets)
            raise
        close(sockets)


class LeavesATaskWhenCancelled(Right):
    async def begin(self) -> None:
        try:
            await super().begin()
        except trio.Cancelled:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
            raise


class HasNoAccountId(Right):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.account_id = ""


class DoesNotSayHowItStands(Right):
    async def standing(self) -> Any:
        raise VenueError("the venue doesn't say")


def close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()


def changed(change: Callable[[Right, Order, OrderReport], OrderReport]) -> type[Right]:
    """Return an exchange that answers `place` by something else than what happened."""

    class Changes(Right):
        async def place(self, order: Order) -> OrderReport:
            return change(self, order, await super().place(order))

    return Changes


def unless(condition: Callable[[Order], bool], change: Callable[[Order], Order]) -> type[Right]:
    """Return an exchange that sends some orders otherwise than it was told."""

    class Sends(Right):
        async def place(self, order: Order) -> OrderReport:
            return await super().place(change(order) if condition(order) else order)

    return Sends


def fills_of(report: OrderReport, **fields: Any) -> OrderReport:
    return replace(report, fills=tuple(replace(fill, **fields) for fill in report.fills))


class SaysHalfTheFee(Right):
    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        found = await super().instruments(listings)
        return {name: attrs.evolve(one, taker_fee_bps=one.taker_fee_bps / 2) for name, one in found.items()}


class ForgetsTheFeeOfASell(Right):
    forgotten = Decimal(0)

    async def place(self, order: Order) -> OrderReport:
        report = await super().place(order)
        if order.side is Side.SELL:
            self.forgotten += sum(fill.fee for fill in report.fills)
        return report

    async def balances(self) -> Mapping[str, Decimal]:
        found = await super().balances()
        return {**found, "USDT": found["USDT"] + self.forgotten}


class RenamesFills(Right):
    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await super().order(client_order_id)
        final = report is not None and report.status.is_final and client_order_id not in self.own
        return fills_of(report, fill_id="1") if report is not None and final else report


class MixesAnswersUp(Right):
    """Takes whatever answer came last for that of its order."""

    last: OrderReport | None = None

    async def place(self, order: Order) -> OrderReport:
        self.last = await super().place(order)
        await trio.sleep(0.001)
        return replace(self.last, client_order_id=order.client_order_id)


class SendsTwice(Right):
    """Gives an order that it sent already another id of the venue's, and sends it."""

    async def place(self, order: Order) -> OrderReport:
        try:
            return await super().place(order)
        except OrderRejected as error:
            if "used before" not in str(error):
                raise
            report = await super().place(replace(order, client_order_id=f"{order.client_order_id}0"))
            return replace(report, client_order_id=order.client_order_id)


class GuessesAboutUnknownIds(Right):
    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await super().order(client_order_id)
        return report or OrderReport(
            client_order_id=client_order_id, venue_order_id="?", status=OrderStatus.CANCELLED, reason="unknown"
        )


def takes_in_spite(of: str, mend: Callable[[Order], Order]) -> type[Right]:
    """Return an exchange that makes an order fit that its venue refuses with such a reason."""

    class Mends(Right):
        async def place(self, order: Order) -> OrderReport:
            try:
                return await super().place(order)
            except OrderRejected as error:
                if of not in str(error):
                    raise
                mended = replace(mend(order), client_order_id=f"{order.client_order_id}0")
                return replace(await super().place(mended), client_order_id=order.client_order_id)

    return Mends


class DoesNotSayWhyWhatIsHalted(Right):
    async def place(self, order: Order) -> OrderReport:
        if order.symbol in self.stage.halted:
            raise VenueError(f"{order.symbol} is halted")
        return await super().place(order)


class ListsOrdersOfAllTimes(Right):
    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return await super().orders(symbols, 0)


class Forgets(Right):
    """Keeps what it sent in its own memory, and asks nobody about anything else."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: set[str] = set()

    async def place(self, order: Order) -> OrderReport:
        self.sent.add(order.client_order_id)
        return await super().place(order)

    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await super().order(client_order_id)
        return report if client_order_id in self.sent else None


class TradesWithItself(Right):
    def meets_own(self, order: Order) -> bool:
        return False

    async def place(self, order: Order) -> OrderReport:
        if order.self_trade is SelfTrade.CANCEL_NEW:
            order = replace(order, limit_price=order.limit_price * 2)
        return await super().place(order)


class ShowsNothingOpen(Right):
    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        await super().open_orders(symbols)
        return []


class ExpiresWhatIsCancelled(Right):
    """Says REJECTED of what was cancelled without a fill."""

    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await super().order(client_order_id)
        if report is None or report.status is not OrderStatus.CANCELLED or report.fills or not self.was_at_rest(report):
            return report
        return replace(report, status=OrderStatus.EXPIRED)

    def was_at_rest(self, report: OrderReport) -> bool:
        return report.client_order_id in self.cancelled

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cancelled: set[str] = set()

    async def cancel(self, client_order_id: str) -> None:
        self.cancelled.add(client_order_id)
        await super().cancel(client_order_id)


class KeepsOpenWhatFilled(Right):
    """Lists an order as open for as long as it wasn't cancelled."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.resting: dict[str, Order] = {}

    async def place(self, order: Order) -> OrderReport:
        report = await super().place(order)
        if report.status is OrderStatus.OPEN:
            self.resting[order.client_order_id] = order
        return report

    async def cancel(self, client_order_id: str) -> None:
        self.resting.pop(client_order_id, None)
        await super().cancel(client_order_id)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        await super().open_orders(symbols)
        return [OrderUpdate(client_order_id=name, filled=Decimal(0)) for name in self.resting]


class ForgetsWhatFilledBeforeACancel(ExpiresWhatIsCancelled):
    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await Right.order(self, client_order_id)
        if report is None or report.status is not OrderStatus.CANCELLED or not self.was_at_rest(report):
            return report
        return replace(report, fills=())


def refuses_to_cancel(what: Callable[[Right, OrderReport | None], bool]) -> type[Right]:
    class Refuses(Right):
        async def cancel(self, client_order_id: str) -> None:
            if what(self, await self.inner.order(client_order_id)):
                raise VenueError(f"{client_order_id}: there is no such order")
            await super().cancel(client_order_id)

    return Refuses


class CancelsAnyOther(Right):
    async def cancel(self, client_order_id: str) -> None:
        if await self.inner.order(client_order_id) is None:
            for one in tuple(self.own):
                await super().cancel(one)
        await super().cancel(client_order_id)


class TellsNoSums(Right):
    def said(self, update: OrderUpdate) -> Any:
        return super().said(replace(update, fills=()) if update.status is OrderStatus.OPEN else update)


class NumbersFillsAsTheyCome(Right):
    told = 0

    def said(self, update: OrderUpdate) -> Any:
        for number, one in enumerate(super().said(update)):
            yield (
                one
                if not number
                else replace(one, fills=tuple(replace(fill, fill_id=f"{fill.fill_id}+{number}") for fill in one.fills))
            )


class PassesOverWhatIsLate(Right):
    async def tell_late(self, update: OrderUpdate, sink: OrderSink) -> None:
        pass


class HidesThatItIsCut(Right):
    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            await super().updates(sink, task_status=task_status)
        except VenueError:
            await trio.sleep_forever()


class StumblesOverWhatNobodyKnows(Right):
    def said(self, update: OrderUpdate) -> Any:
        if self.stage.on.get(Trouble.UNKNOWN):
            raise VenueError("a field that nobody knows")
        return super().said(update)


class SaysRejectedWhereItDoesNotKnow(Right):
    async def place(self, order: Order) -> OrderReport:
        try:
            return await super().place(order)
        except VenueError as error:
            if "no answer" in str(error):
                raise OrderRejected("no answer") from None
            raise


class TakesAnErrorForAnAnswer(Right):
    async def order(self, client_order_id: str) -> OrderReport | None:
        try:
            return await super().order(client_order_id)
        except VenueError:
            return None


class SendsOnceMoreWhatWasRefused(Right):
    """Is refused for too many requests, sends again, and says that nothing was sent."""

    async def place(self, order: Order) -> OrderReport:
        try:
            return await super().place(order)
        except OrderRejected as error:
            if "too many" in str(error):
                await super().place(order)
            raise


class ReadsHalfAMessage(Right):
    async def balances(self) -> Mapping[str, Decimal]:
        try:
            return await super().balances()
        except VenueError:
            return {}


class HoldsOnWhileItIsAsked(Right):
    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        if not self.stage.arrived:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)
        return await super().orders(symbols, since_ns)


class AnswersInsteadOfEnding(Right):
    """Catches everything, and says that it has nothing."""

    async def balances(self) -> Mapping[str, Decimal]:
        try:
            return await super().balances()
        except BaseException:
            return {}


class TakesItsEndForTheVenues(Right):
    async def place(self, order: Order) -> OrderReport:
        try:
            return await super().place(order)
        except trio.Cancelled:
            raise VenueError("no answer came") from None


class LeavesAThread(Right):
    async def begin(self) -> None:
        await super().begin()
        threading.Thread(target=GO_ON.wait, name="pinger", daemon=True).start()


class LeavesAFile(Right):
    async def begin(self) -> None:
        await super().begin()
        LEFT_OPEN.append(tempfile.TemporaryFile())  # noqa: SIM115  # it is left open


class GoesElsewhere(Right):
    async def begin(self) -> None:
        await super().begin()
        os.chdir("/")


class LosesWhatIsCancelled(Right):
    """Believes that an order was never sent, of which the sending was cancelled."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gone: set[str] = set()

    async def place(self, order: Order) -> OrderReport:
        try:
            report = await super().place(order)
            await trio.sleep(0.001)
        except trio.Cancelled:
            self.gone.add(order.client_order_id)
            raise
        return report

    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await super().order(client_order_id)
        return None if client_order_id in self.gone else report


class TellsNobodyOnceItWasCancelled(Right):
    was_cancelled = False

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        deaf = self.was_cancelled
        try:
            await super().updates((lambda update: None) if deaf else sink, task_status=task_status)
        except BaseException as error:
            self.was_cancelled = not isinstance(error, VenueError)
            raise


class AnswersOtherwise(Right):
    def answer(self, order: Order) -> OrderReport:
        return replace(super().answer(order), fills=())


class GrantsAgain(Right):
    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        granted = super().seed_inventory(instrument, quote)
        return granted or super().seed_inventory(instrument, None)


class MovesTwice(Right):
    moved = 0

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        self.moved += 1
        super().transfer(f"{transfer_id}-{self.moved}", asset, amount)


class RoundsItsPrices(Right):
    async def positions(self) -> Any:
        held = await super().positions()
        return {name: attrs.evolve(one, cost=one.cost + 1) for name, one in held.items()}


class ChargesWhatItDoesNotTell(Right):
    async def charges(self, since_ns: int) -> Any:
        return [replace(one, amount=one.amount * 2) for one in await super().charges(since_ns)]


class TellsOfEveryForcedClose(Right):
    async def liquidations(self, since_ns: int) -> Any:
        await super().liquidations(since_ns)
        fill = Fill(fill_id="1", quantity=Decimal(1), price=Decimal(90), fee=Decimal(0), fee_asset="USDT")
        return [Liquidation(liquidation_id="l1", ts_ns=1, symbol="BTCUSDT", side=Side.SELL, fills=(fill,))]


LEFT: list[socket.socket] = []
LEFT_OPEN: list[IO[bytes]] = []
GO_ON = threading.Event()
_IOC = TimeInForce.IOC


#: By the case that it fails.
BROKEN: Mapping[str, type[Right]] = {
    "EX-01": LeavesATask,
    "EX-02": MixesItsAssetsUp,
    "EX-03": BalancesThatWander,
    "EX-04": LeavesASocketWhereItFails,
    "EX-05": LeavesATaskWhenCancelled,
    "EX-06": HasNoAccountId,
    "EX-07": DoesNotSayHowItStands,
    "EX-10": changed(lambda one, order, report: replace(report, fills=report.fills[:-1])),
    "EX-11": changed(
        lambda one, order, report: (
            replace(report, status=OrderStatus.FILLED) if report.fills and order.time_in_force is _IOC else report
        )
    ),
    "EX-12": changed(
        lambda one, order, report: (
            replace(report, status=OrderStatus.REJECTED)
            if not report.fills and order.time_in_force is _IOC and not order.self_trade
            else report
        )
    ),
    "EX-13": SaysHalfTheFee,
    "EX-14": ForgetsTheFeeOfASell,
    "EX-15": RenamesFills,
    "EX-16": unless(
        lambda order: order.limit_price == Decimal("100.11"),
        lambda order: replace(order, limit_price=order.limit_price * 2),
    ),
    "EX-17": MixesAnswersUp,
    "EX-18": unless(
        lambda order: order.quantity == Decimal("1.007"),
        lambda order: replace(order, quantity=order.quantity.quantize(Decimal("0.01"))),
    ),
    "EX-20": SendsTwice,
    "EX-21": GuessesAboutUnknownIds,
    "EX-22": takes_in_spite("tick", lambda order: replace(order, limit_price=order.limit_price // 1)),
    "EX-23": takes_in_spite("lot", lambda order: replace(order, quantity=Decimal(1))),
    "EX-24": takes_in_spite("minimum", lambda order: replace(order, quantity=Decimal(1))),
    "EX-25": takes_in_spite("insufficient", lambda order: replace(order, quantity=Decimal(1))),
    "EX-26": DoesNotSayWhyWhatIsHalted,
    "EX-27": ListsOrdersOfAllTimes,
    "EX-28": Forgets,
    "EX-30": unless(
        lambda order: order.time_in_force is TimeInForce.FOK, lambda order: replace(order, time_in_force=_IOC)
    ),
    "EX-31": unless(
        lambda order: order.type is OrderType.MARKET and order.quantity > 0,
        lambda order: replace(order, quantity=order.quantity / 2),
    ),
    "EX-32": unless(lambda order: order.amount > 0, lambda order: replace(order, amount=order.amount * 2)),
    "EX-33": unless(lambda order: order.post_only, lambda order: replace(order, post_only=False)),
    "EX-34": TradesWithItself,
    "EX-35": unless(lambda order: order.reduce_only, lambda order: replace(order, reduce_only=False)),
    "EX-40": ShowsNothingOpen,
    "EX-41": ExpiresWhatIsCancelled,
    "EX-42": KeepsOpenWhatFilled,
    "EX-43": ForgetsWhatFilledBeforeACancel,
    "EX-44": refuses_to_cancel(lambda one, report: report is not None and report.status is OrderStatus.FILLED),
    "EX-45": refuses_to_cancel(lambda one, report: report is not None and report.status is OrderStatus.CANCELLED),
    "EX-46": CancelsAnyOther,
    "EX-50": TellsNoSums,
    "EX-51": NumbersFillsAsTheyCome,
    "EX-52": PassesOverWhatIsLate,
    "EX-53": HidesThatItIsCut,
    "EX-54": StumblesOverWhatNobodyKnows,
    "EX-60": SaysRejectedWhereItDoesNotKnow,
    "EX-61": TakesAnErrorForAnAnswer,
    "EX-62": SendsOnceMoreWhatWasRefused,
    "EX-63": ReadsHalfAMessage,
    "EX-70": HoldsOnWhileItIsAsked,
    "EX-71": LosesWhatIsCancelled,
    "EX-72": TellsNobodyOnceItWasCancelled,
    "EX-80": AnswersOtherwise,
    "EX-81": GrantsAgain,
    "EX-82": MovesTwice,
    "EX-90": RoundsItsPrices,
    "EX-91": ChargesWhatItDoesNotTell,
    "EX-92": TellsOfEveryForcedClose,
}
OF_CONTRACTS = ("EX-35", "EX-90", "EX-91", "EX-92")
CONTRACTS = {**SETTINGS, "account": "perpetual", "inventory_usd_per_symbol": 0, "funding_rate_bps": "1"}


def tried(case_id: str, kind: type[Right], cases: Sequence[str] = ()) -> Report:
    """Judge a class by what that case is about."""
    if case_id == "EX-06":
        return judged(kind, real=True, cases=["EX-06"])
    return judged(kind, settings=CONTRACTS if case_id in OF_CONTRACTS else SETTINGS, cases=cases)


def test_the_right_one_passes_every_case() -> None:
    outcomes = [*judged().outcomes, judged(real=True, cases=["EX-06"]).of("EX-06")]
    outcomes += judged(settings=CONTRACTS, cases=OF_CONTRACTS).outcomes

    assert {one.case.id for one in outcomes if one.verdict is Verdict.PASS} == set(BROKEN)
    assert not [one for one in outcomes if one.verdict is Verdict.FAIL]


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("exchange").cases] == list(BROKEN)


def near(case_id: str) -> list[str]:
    """Return the cases about the same: those of its ten, and those that are refused or fill as it does."""
    return [one for one in BROKEN if one[:4] == case_id[:4] and one != "EX-06"] + ["EX-15", "EX-42"]


@pytest.mark.parametrize("case_id", BROKEN)
def test_a_broken_one_fails_that_case_and_no_other_near_it(case_id: str) -> None:
    _expect_failed(case_id, tried(case_id, BROKEN[case_id], [case_id, *near(case_id)]))


@pytest.mark.long
@pytest.mark.parametrize("case_id", BROKEN)
def test_a_broken_one_fails_no_other_at_all(case_id: str) -> None:
    _expect_failed(case_id, tried(case_id, BROKEN[case_id]))


def _expect_failed(case_id: str, report: Report) -> None:
    close(LEFT)
    assert [one.case.id for one in report.failed] == [case_id], str(report)
    rest = {one.verdict for one in report.outcomes if one.case.id != case_id}
    assert rest <= {Verdict.PASS, Verdict.BLOCKED, Verdict.NOT_OFFERED}


@attrs.frozen(kw_only=True)
class Addresses:
    rest_url: str = setting("https://api.acme.example", doc="where it is")
    api_key: str = setting("hush-hush", doc="a key", secret=True)


def real() -> dict[str, object]:
    @asynccontextmanager
    async def open_exchange(settings: Any, context: Any) -> AsyncIterator[Exchange]:
        raise AssertionError("it was opened")
        yield

    spec = ExchangeSpec(name="mine", doc="", settings=Addresses, open=open_exchange, live=True, real=True)
    return {"mine": plugin_of(spec)}


def test_an_exchange_whose_orders_cost_money_is_not_opened_without_a_stage() -> None:
    with pytest.raises(
        PluginError, match=r"its orders at https://api\.acme\.example would cost money; give it a stage"
    ):
        judge(kind="exchange", name="mine", plugins=real())


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost", "[::1]:99"])
def test_one_at_this_machine_is_judged(host: str) -> None:
    report = judge(
        kind="exchange", name="mine", settings={"rest_url": f"http://{host}"}, plugins=real(), cases=["EX-01"]
    )
    assert "it was opened" in report.of("EX-01").got


#: What takes a stage that makes a venue misbehave, and what paper doesn't offer.
OF_A_STAGE = {"EX-04", "EX-26", *(f"EX-5{n}" for n in range(1, 5)), *(f"EX-6{n}" for n in range(4))}
NOT_OF_PAPER = {"EX-06", "EX-34", "EX-35"}
OF_AN_ACCOUNT = {
    "spot": {"EX-90", "EX-91", "EX-92"},
    "margin": {"EX-25", "EX-82", "EX-90", "EX-91", "EX-92"},
    "perpetual": {"EX-14", "EX-25", "EX-81", "EX-82"},
}


@pytest.mark.parametrize("account", OF_AN_ACCOUNT)
def test_paper_conforms(account: str) -> None:
    settings = CONTRACTS if account == "perpetual" else {**SETTINGS, "account": account}

    report = judge(kind="exchange", name="paper", settings=settings)

    assert report.conforms, str(report)
    lacking = {one.case.id for one in report.outcomes if one.verdict is not Verdict.PASS}
    assert lacking == OF_A_STAGE | NOT_OF_PAPER | OF_AN_ACCOUNT[account]


@pytest.mark.parametrize(("case_id", "kind"), [("EX-70", AnswersInsteadOfEnding), ("EX-71", TakesItsEndForTheVenues)])
def test_who_swallows_a_cancellation_fails(case_id: str, kind: type[Right]) -> None:
    report = judged(kind, cases=[case_id])

    assert [one.case.id for one in report.failed] == [case_id], str(report)
    assert report.of(case_id).got == "one swallowed"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (LeavesAThread, "a thread that goes on: pinger"),
        (LeavesAFile, "1 open file"),
        (GoesElsewhere, "another working folder, /"),
    ],
)
def test_what_is_left_in_the_process_is_found(
    kind: type[Right], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        report = judged(kind, cases=["EX-01"])
    finally:
        GO_ON.set()
        while LEFT_OPEN:
            LEFT_OPEN.pop().close()

    assert report.of("EX-01").got == said
