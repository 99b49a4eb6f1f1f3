"""``python -m trioarb`` is the command ``trioarb``."""

import sys

from trioarb.cli.main import main

sys.exit(main())
