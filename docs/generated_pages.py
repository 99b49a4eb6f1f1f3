"""All pages of the reference that are made of the code when the site is built, and are no files of docs/."""

from __future__ import annotations

from reference_api import api_pages
from reference_cli import cli_page
from reference_events import events_page

__all__ = ["generated_pages"]


def generated_pages() -> dict[str, str]:
    """Return their texts, by their paths below docs/."""
    return {"reference/cli.md": cli_page(), "reference/events.md": events_page(), **api_pages()}
