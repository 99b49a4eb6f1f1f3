"""Random tests look for new examples on a developer's machine, and try the same ones every time where CI is set.

Nothing is kept in the user's cache.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

os.environ["TRIOARB_CACHE_DIR"] = ""
