"""A campaign's trades as traces: made of its journal alone, complete, and taken by OpenTelemetry's own exporters."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import attrs
import pytest
from command import CommandLine
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from trioarb.errors import ExportError
from trioarb.journal.recorded import open_journal
from trioarb.model.event import Record
from trioarb.report.otel import hand_over
from trioarb.report.spans import Span, spans_of

SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


@pytest.fixture(scope="module")
def trioarb(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A campaign that traded, some of whose orders were rejected, as ``run.journal``."""
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("campaign"))
    ran = trioarb.run(
        SPREAD,
        *("--set=session.clock=virtual", "--set=exchanges.*.reject_rate=0.1", "--runtime=900"),
        "--journal=run.journal",
    )
    assert ran.code in (0, 3), ran.err
    return trioarb


@pytest.fixture(scope="module")
def records(trioarb: CommandLine) -> Sequence[Record]:
    with open_journal(trioarb.folder / "run.journal") as journal:
        return list(journal.records())


@pytest.fixture(scope="module")
def spans(records: Sequence[Record]) -> Sequence[Span]:
    return list(spans_of(records))


def of_type(records: Sequence[Record], *names: str) -> list[Record]:
    return [record for record in records if type(record.event).__name__ in names]


def test_every_trade_is_a_trace_with_its_result(records: Sequence[Record], spans: Sequence[Span]) -> None:
    roots = [one for one in spans if one.parent_id is None]
    closed = of_type(records, "PositionClosed")
    assert len(closed) > 1
    trades = {record.event.trade_id for record in of_type(records, "PairOpened", "TransactionOpened")}  # type: ignore[attr-defined]
    assert {one.attributes["trioarb.trade"] for one in roots} == trades
    assert len({one.trace_id for one in roots}) == len(roots) == len(trades)
    results = {one.attributes["trioarb.trade"]: one.attributes["trioarb.pnl_usd"] for one in roots}
    for record in closed:
        event = record.event
        assert Decimal(results[event.trade_id]) == event.pnl_usd  # type: ignore[attr-defined]


def test_every_order_is_a_span_with_what_became_of_it(records: Sequence[Record], spans: Sequence[Span]) -> None:
    orders = {one.attributes["trioarb.order"]: one for one in spans if "trioarb.order" in one.attributes}
    submitted = of_type(records, "OrderSubmitted")
    assert orders.keys() == {record.event.client_order_id for record in submitted}  # type: ignore[attr-defined]
    filled = defaultdict[str, Decimal](Decimal)
    for record in of_type(records, "OrderFilled"):
        filled[record.event.client_order_id] += record.event.quantity  # type: ignore[attr-defined]
    for order_id, one in orders.items():
        told = [happened for happened in one.happened if happened.name == "filled"]
        assert (
            sum((Decimal(happened.attributes["trioarb.quantity"]) for happened in told), Decimal())
            == filled[str(order_id)]
        )
        assert one.is_whole
    rejected = of_type(records, "OrderRejected")
    assert rejected
    for record in rejected:
        assert orders[record.event.client_order_id].problem.startswith("rejected")  # type: ignore[attr-defined]


def test_spans_lie_within_what_they_are_part_of(spans: Sequence[Span]) -> None:
    by_id = {(one.trace_id, one.span_id): one for one in spans}
    assert len(by_id) == len(spans), "each id is there once"
    for one in spans:
        assert one.start_ns <= one.end_ns
        assert all(one.start_ns - 1 <= happened.at_ns <= one.end_ns for happened in one.happened)
        if one.parent_id is not None:
            above = by_id[one.trace_id, one.parent_id]
            assert above.start_ns <= one.start_ns <= one.end_ns <= above.end_ns


def test_the_decision_is_an_event_of_the_entry_that_it_allowed(spans: Sequence[Span]) -> None:
    entries = [one for one in spans if one.name.startswith("entry ")]
    assert entries
    for one in entries:
        (allowed,) = (happened for happened in one.happened if happened.name == "allowed")
        assert Decimal(allowed.attributes["trioarb.edge_bps"]) > 0


def test_made_again_they_are_the_same(records: Sequence[Record], spans: Sequence[Span]) -> None:
    assert list(spans_of(records)) == spans


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.9])
def test_of_a_journal_that_broke_off_what_was_open_is_told_as_unfinished(
    records: Sequence[Record], share: float
) -> None:
    cut = records[: int(len(records) * share)]
    spans = list(spans_of(cut))
    opened = {record.event.trade_id for record in of_type(cut, "PairOpened", "TransactionOpened")}  # type: ignore[attr-defined]
    assert {one.attributes["trioarb.trade"] for one in spans if one.parent_id is None} == opened
    assert all(one.end_ns <= cut[-1].ts_ns for one in spans)


def test_an_exporter_is_given_all_of_them_as_they_are(spans: Sequence[Span]) -> None:
    exporter = InMemorySpanExporter()
    assert hand_over(spans, exporter, service="mine") == len(spans)
    taken = exporter.get_finished_spans()
    assert [(one.context.trace_id, one.context.span_id, one.name) for one in taken] == [
        (one.trace_id, one.span_id, one.name) for one in spans
    ]
    for ours, theirs in zip(spans, taken, strict=True):
        assert (theirs.start_time, theirs.end_time) == (ours.start_ns, ours.end_ns)
        assert (None if theirs.parent is None else theirs.parent.span_id) == ours.parent_id
        assert dict(theirs.attributes or {}) == dict(ours.attributes)
        assert (theirs.status.status_code is StatusCode.ERROR) == bool(ours.problem)
        assert theirs.resource.attributes["service.name"] == "mine"


def test_an_exporter_that_fails_is_an_error_that_says_how_many_were_taken(spans: Sequence[Span]) -> None:
    class Failing(SpanExporter):
        batches = 0

        def export(self, spans: object) -> SpanExportResult:
            self.batches += 1
            return SpanExportResult.SUCCESS if self.batches == 1 else SpanExportResult.FAILURE

    with pytest.raises(ExportError, match="512 before them were"):
        hand_over([*spans, *([spans[0]] * 1_000)], Failing(), service="mine")


@attrs.define
class Collector:
    """What a collector of OTLP over HTTP was sent."""

    address: str = ""
    status: int = 200
    requests: list[ExportTraceServiceRequest] = attrs.field(factory=list)

    def spans(self) -> Iterator[object]:
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    taken = Collector(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") is None:
                taken.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(taken.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.address = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()


def test_the_command_hands_them_to_a_collector(trioarb: CommandLine, spans: Sequence[Span]) -> None:
    with collector() as taken:
        ran = trioarb("spans", "run.journal", "--endpoint", taken.address)
    assert (ran.code, ran.err) == (0, "")
    assert f"{len(spans):,} spans" in ran.out
    assert [one.name for one in taken.spans()] == [one.name for one in spans]  # type: ignore[attr-defined]


def test_a_collector_that_refuses_is_named_in_one_line(trioarb: CommandLine) -> None:
    with collector(status=400) as taken:
        ran = trioarb("spans", "run.journal", "--endpoint", taken.address)
    assert ran.code == 1
    assert taken.address in ran.err
    assert "Traceback" not in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://x/", ""])
def test_an_endpoint_that_is_none_is_said_to_be(trioarb: CommandLine, endpoint: str) -> None:
    ran = trioarb("spans", "run.journal", "--endpoint", endpoint)
    assert ran.code == 2
    assert "--endpoint" in ran.err
