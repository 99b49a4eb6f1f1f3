"""The altered orders, remembered; with a path also for a campaign that is resumed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from trioarb.api import VenueError
from trioarb_faults.altered import Altered

__all__ = ["Memory"]


class Memory:
    """The altered orders, by client order id; with a path kept there too, for a campaign that is resumed.

    A line is handed to the system before its order is sent: a killed process loses none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._altered: dict[str, Altered] = {}

    def resume(self) -> None:
        """Take up what an earlier process remembered. A last line that was cut off is removed; its order wasn't sent.

        Raises:
            VenueError: it can't be read.
        """
        if self._path is None or not self._path.exists():
            return
        try:
            lines, end, torn = self._path.read_text("ascii").rpartition("\n")
            if torn:
                self._path.write_text(lines + end, "ascii")
            for line in lines.splitlines():
                order_id, quantity, lot_size, split = json.loads(line)
                self._altered[order_id] = Altered(quantity=Decimal(quantity), lot_size=Decimal(lot_size), split=split)
        except (OSError, ValueError, TypeError, ArithmeticError) as error:
            raise VenueError(f"{self._path} can't be read: {error}") from error

    def keep(self, client_order_id: str, altered: Altered) -> None:
        """Remember an order that is about to be sent.

        Raises:
            OSError: it can't be written down; the order must not be sent.
        """
        if self._path is not None:
            if self._file is None:
                self._file = self._path.open("a", encoding="ascii")
            entry = [client_order_id, str(altered.quantity), str(altered.lot_size), altered.split]
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        self._altered[client_order_id] = altered

    def get(self, client_order_id: str) -> Altered | None:
        return self._altered.get(client_order_id)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
