"""A console whose reader may go away, whose disk may fill up, and to which text is only text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from trioarb.report.visible import visible

__all__ = ["LastingConsole"]


class LastingConsole(Console):
    """What is told on stderr falls silent when nobody reads it any more; of stdout a command is to know.

    Rich's own would leave the program at a broken pipe.

    Square brackets are no markup, and control characters in texts are shown, not obeyed. ``aside``, while it is set,
    is given each line and its style instead of the terminal, which somebody else draws on.
    """

    aside: Callable[[str, str | None], None] | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Called by rich while it handles BrokenPipeError."""
        if not self.stderr:
            raise
        self.quiet = True

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's own; every text on its way to the screen passes here."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown is segment.text else Segment(shown, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's own."""
        aside = self.aside
        if aside is None:
            super().print(*objects, **options)
            return
        told = LastingConsole(file=io.StringIO(), width=self.width, color_system=None)
        told.print(*objects, **options)
        for line in told.file.getvalue().splitlines():  # type: ignore[attr-defined]  # it is one in memory
            aside(line, None)

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line as it is, unwrapped."""
        if self.aside is not None:
            self.aside(line, style)
            return
        try:
            self.print(line, style=style, soft_wrap=True)
        except OSError:
            if not self.stderr:
                raise
            self.quiet = True
