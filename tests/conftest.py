"""Random tests look for new examples on a developer's machine, and try the same ones every time where CI is set.

Nothing is kept in the user's cache. Ctrl-C is as in a terminal also where the tests run in the background, which would
hand it on to the processes that they start as ignored.
"""

import os
import signal

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

os.environ["TRIOARB_CACHE_DIR"] = ""
signal.signal(signal.SIGINT, signal.default_int_handler)
