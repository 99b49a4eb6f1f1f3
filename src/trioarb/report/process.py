"""What the process took that ran a campaign: time of stages and guards, memory, CPU. Measured, not booked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trioarb.report.figures import number_of
from trioarb.report.plain import present
from trioarb.state.telemetry import Durations, Telemetry

__all__ = ["process_figures", "process_rows", "stage_rows"]

_MB = 1_000_000
_UNKNOWN = "-"


def process_figures(telemetry: Telemetry) -> dict[str, Any]:
    """Return what was measured, in microseconds, seconds and bytes; nothing where another process ran it."""
    stages = {stage: _quantiles(took) for stage, took in telemetry.stages.items() if took.count}
    return present(
        {
            "loop_us": _quantiles(telemetry.loop),
            "stages_us": stages or None,
            "guards_us": _quantiles(telemetry.guards),
            "guards_seconds": telemetry.guards.total_seconds if telemetry.guards.count else None,
            "doubts_us": _quantiles(telemetry.doubts),
            "memory_bytes": telemetry.memory_bytes,
            "cpu_seconds": telemetry.cpu_seconds,
        }
    )


def process_rows(telemetry: Telemetry) -> Iterator[tuple[str, str]]:
    """Yield the same as people read it; the same rows whether anything was measured or not."""
    guards = telemetry.guards
    yield "guards, p99 (µs)", _UNKNOWN if guards.p99_us is None else f"{guards.p99_us:,.1f}"
    yield "guards, all (s)", f"{guards.total_seconds:,.3f}"
    yield "CPU (s)", _UNKNOWN if telemetry.cpu_seconds is None else f"{telemetry.cpu_seconds:,.2f}"
    yield "memory (MB)", _UNKNOWN if telemetry.memory_bytes is None else f"{telemetry.memory_bytes / _MB:,.0f}"


def stage_rows(telemetry: Telemetry) -> Iterator[tuple[str, str]]:
    """Yield p50, p95 and p99 of each stage that anything went through."""
    for stage, took in telemetry.stages.items():
        if took.p50_us is not None and took.p95_us is not None and took.p99_us is not None:
            figures = ", ".join(f"{one:,.0f}" for one in (took.p50_us, took.p95_us, took.p99_us))
            yield f"{stage.replace('_', ' ')}, {number_of(took.count)} times", figures


def _quantiles(took: Durations) -> dict[str, float] | None:
    quantiles = {"p50": took.p50_us, "p95": took.p95_us, "p99": took.p99_us}
    return {name: value for name, value in quantiles.items() if value is not None} or None
