"""A console whose reader may go away, whose disk may fill up, and to which text is only text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from trioarb.report.visible import visible

__all__ = ["LastingConsole"]


class LastingConsole(Console):
    """Falls silent when it can't write any more; rich's own would leave the program at a broken pipe.

    Square brackets are no markup, and control characters in texts are shown, not obeyed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Called by rich instead of raising BrokenPipeError."""
        self.quiet = True

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's own; every text on its way to the screen passes here."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown is segment.text else Segment(shown, segment.style)

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line as it is, unwrapped."""
        try:
            self.print(line, style=style, soft_wrap=True)
        except OSError:
            self.quiet = True
