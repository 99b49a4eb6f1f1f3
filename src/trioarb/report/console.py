"""A console whose reader may go away, or whose disk may fill up, without ending the campaign."""

from __future__ import annotations

from typing import Any

from rich.console import Console

__all__ = ["LastingConsole"]


class LastingConsole(Console):
    """Falls silent when it can't write any more; rich's own would leave the program at a broken pipe.

    Text is shown as it is: a symbol may be called ``X[/b]``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)

    def on_broken_pipe(self) -> None:
        """Called by rich instead of raising BrokenPipeError."""
        self.quiet = True

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line as it is, unwrapped."""
        try:
            self.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
        except OSError:
            self.quiet = True
