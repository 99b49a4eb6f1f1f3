"""The altered orders, remembered; with a path also for a campaign that is resumed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from trioarb.api import Log, LogReader, TrioarbError, VenueError
from trioarb_faults.altered import Altered

__all__ = ["Memory"]

_KIND = "trioarb_faults"


class Memory:
    """The altered orders, by client order id; with a path kept there too, for a campaign that is resumed.

    A line is handed to the system before its order is sent: a killed process loses none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._log: Log | None = None
        self._altered: dict[str, Altered] = {}

    def resume(self) -> None:
        """Take up what an earlier process remembered. A last line that was cut off is removed; its order wasn't sent.

        Raises:
            VenueError: it can't be read.
        """
        if self._path is None or not self._path.exists():
            return
        try:
            reader = LogReader(self._path, _KIND, "memory", claimed=True)
            try:
                for block in reader.blocks():
                    for line in block:
                        row = json.loads(line)
                        self._altered[row["order"]] = Altered(
                            quantity=Decimal(row["quantity"]), lot_size=Decimal(row["lot_size"]), split=row["split"]
                        )
                self._log = Log.resume(reader)
            finally:
                reader.close()
        except (TrioarbError, ValueError, KeyError, ArithmeticError) as error:
            raise VenueError(f"{self._path} can't be read: {error}") from error

    def keep(self, client_order_id: str, altered: Altered) -> None:
        """Remember an order that is about to be sent.

        Raises:
            TrioarbError: it can't be written down; the order must not be sent.
        """
        if self._path is not None:
            self._log = self._log or Log.create(self._path, _KIND, {})
            row = {
                "order": client_order_id,
                "quantity": str(altered.quantity),
                "lot_size": str(altered.lot_size),
                "split": altered.split,
            }
            self._log.append([json.dumps(row, separators=(",", ":"))[:-1].encode()])
            self._log.write()
        self._altered[client_order_id] = altered

    def get(self, client_order_id: str) -> Altered | None:
        return self._altered.get(client_order_id)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
