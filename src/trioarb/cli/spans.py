"""`trioarb spans`: hand a journal's trades to a collector, as traces of OpenTelemetry."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from cyclopts import Parameter

from trioarb.cli.reading import JournalPath, with_progress
from trioarb.errors import ConfigError, ExportError
from trioarb.journal.recorded import open_journal
from trioarb.plugin.extras import require
from trioarb.report.spans import spans_of
from trioarb.report.visible import say
from trioarb.settings.problem import Problem

__all__ = ["spans"]

_ENDPOINT = "http://127.0.0.1:4318/v1/traces"


def spans(
    journal: JournalPath,
    /,
    *,
    endpoint: Annotated[str, Parameter(help="Where the collector takes OTLP over HTTP.")] = _ENDPOINT,
    service: Annotated[str, Parameter(help="What the traces are said to be of.")] = "trioarb",
    timeout: Annotated[float, Parameter(help="Seconds after which a collector that doesn't answer is given up.")] = 10,
) -> int:
    """Hand all trades over; return 0."""
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            [
                Problem(
                    file="--endpoint", message="is no address of HTTP", value=endpoint, allowed=f"such as {_ENDPOINT}"
                )
            ]
        )
    require("opentelemetry.exporter.otlp.proto.http", "trioarb spans")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from trioarb.report.otel import hand_over

    # What it can't do is said here, once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter: Any = OTLPSpanExporter(endpoint=endpoint, timeout=timeout)
    try:
        with open_journal(journal) as stored:
            records = with_progress(stored.records(), stored.last_seq, f"reading {journal}")
            count = hand_over(spans_of(records), exporter, service=service)
    except ExportError as error:
        raise ExportError(f"{endpoint} doesn't take them, or isn't there: {error}") from None
    finally:
        exporter.shutdown()
    say(f"{count:,} spans: {endpoint}")
    return 0
