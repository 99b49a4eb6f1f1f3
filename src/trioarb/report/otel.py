"""Spans as OpenTelemetry has them, for its exporters. Needs the extra `otel`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from trioarb import __version__
from trioarb.errors import ExportError

if TYPE_CHECKING:
    from trioarb.report.spans import Span

__all__ = ["hand_over", "readable"]

#: So many spans are handed over at a time.
_BATCH = 512
_SCOPE = InstrumentationScope("trioarb", __version__)


def hand_over(spans: Iterable[Span], exporter: SpanExporter, *, service: str) -> int:
    """Give spans to an exporter, some at a time; return how many. The exporter stays open.

    Raises:
        ExportError: it doesn't take them; those before it did.
    """
    resource, remaining, count = Resource({"service.name": service, "service.version": __version__}), iter(spans), 0
    while batch := [readable(span, resource) for span in islice(remaining, _BATCH)]:
        if exporter.export(batch) is not SpanExportResult.SUCCESS:
            raise ExportError(f"{len(batch):,} spans were not taken; {count:,} before them were")
        count += len(batch)
    return count


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Return a span as exporters take it."""
    own = _context(span.trace_id, span.span_id)
    return ReadableSpan(
        name=span.name,
        context=own,
        parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
        resource=resource,
        attributes={**span.attributes, **({} if span.is_whole else {"trioarb.unfinished": True})},
        events=[Event(one.name, one.attributes, one.at_ns) for one in span.happened],
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.problem) if span.problem else Status(StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
