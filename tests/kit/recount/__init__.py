"""A campaign's figures, counted a second time from nothing but its events.

Nothing of the engine is imported, and the arithmetic is another one: exact fractions. What an event says of its own
result (PnL, exposure, what is booked) is not believed but computed from fills, deposits, prices and what venues
charged. `differences` holds it all against a summary.
"""

from recount.compare import differences
from recount.whole import Recount, recount

__all__ = ["Recount", "differences", "recount"]
