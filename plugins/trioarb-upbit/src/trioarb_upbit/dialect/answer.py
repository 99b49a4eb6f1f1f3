"""What an answer to a request is to the engine: a body that is decoded, or the error to raise."""

from __future__ import annotations

from typing import TypeVar

from trioarb.api import ClientIds, OrderReport, OrderStatus
from trioarb.venue import Response
from trioarb_upbit.dialect.failure import FailureKind, failure_of
from trioarb_upbit.dialect.order import RestOrder, report_of
from trioarb_upbit.dialect.struct import Wire, decode

__all__ = ["Accepted", "accepted", "decode_answer", "taken", "told_of"]

T = TypeVar("T")


class Accepted(Wire, frozen=True, kw_only=True):
    """What counts of the answer to an order that was placed. `renamed` gives it the names of an endpoint."""

    venue_order_id: str


def decode_answer(kind: type[T], response: Response, what: str) -> T:
    """Return the body of an answer to a read.

    Raises:
        VenueError: the venue refused the request, or failed.
        WireError: the body isn't what the documents say.
    """
    failure = failure_of(response)
    if failure is not None:
        raise failure.error(what)
    return decode(kind, response.body, what)


def accepted(kind: type[Accepted], response: Response, client_order_id: str) -> OrderReport:
    """Return the acknowledgement of an order that was placed; it may be filled or done already, which isn't told here.

    Raises:
        OrderRejected: the venue refused it; it is certain that nothing was done.
        VenueError: what became of it is unknown.
    """
    failure = failure_of(response)
    if failure is not None:
        raise failure.rejection(f"order {client_order_id}")
    order = decode(kind, response.body, f"the answer to order {client_order_id}")
    return OrderReport(client_order_id=client_order_id, venue_order_id=order.venue_order_id, status=OrderStatus.OPEN)


def taken(response: Response, client_order_id: str) -> None:
    """See that the venue took a request to cancel. An order that it doesn't find is done, which is no error.

    Raises:
        VenueError: it isn't known whether it took the request.
    """
    failure = failure_of(response)
    if failure is not None and failure.kind is not FailureKind.NO_SUCH_ORDER:
        raise failure.error(f"cancelling {client_order_id}")


def told_of(kind: type[RestOrder], response: Response, ids: ClientIds, client_order_id: str) -> OrderReport | None:
    """Return an order that was asked for; ``None``: the venue says that there is none, and it alone can say that.

    Whether one may still be on its way there, whoever sent it knows.

    Raises:
        VenueError: not known now; ask again.
    """
    failure = failure_of(response)
    if failure is not None:
        if failure.kind is FailureKind.NO_SUCH_ORDER:
            return None
        raise failure.error(f"asking for {client_order_id}")
    order = decode(kind, response.body, f"order {client_order_id}")
    return report_of(order, ids, asked=client_order_id)
