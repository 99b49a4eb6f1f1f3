"""What the kit has to say of a plugin that is broken in one way."""

from __future__ import annotations

from trioarb.testing.conformance import Report, Verdict

__all__ = ["expect_failed_alone"]


def expect_failed_alone(report: Report, case_id: str) -> None:
    """See that the plugin failed this case and no other, and that it is said how."""
    assert [one.case.id for one in report.failed] == [case_id], str(report)
    assert not report.conforms
    failed = report.of(case_id)
    assert failed.verdict is Verdict.FAIL
    assert failed.expected
    assert failed.got
