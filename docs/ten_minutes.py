"""Ten minutes to a plugin: type the how-tos of a source, an exchange and a guard, and say how long the machine took.

    python docs/ten_minutes.py             # with what is installed here, offline
    python docs/ten_minutes.py --fresh     # in a new environment, into which this checkout is installed first

Each page begins in an empty folder and ends with a plugin that the conformance kit has nothing against, and that a
campaign traded with: what the pages show is compared with what is printed. Reading and typing come on top of it.
"""

from __future__ import annotations

import sys
import venv
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from time import monotonic

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / "how-to" / f"write-{name}.md" for name in ("a-source", "an-exchange", "a-guard")]

sys.path.insert(0, str(ROOT / "tests" / "kit"))

from page import blocks_of, run_page  # noqa: E402


def typed(pages: Sequence[Path], folder: Path, programs: Path | None = None) -> Iterator[tuple[str, int, float]]:
    """Type each page in an empty folder of its own; yield its name, how many lines were typed, and the seconds.

    Raises:
        AssertionError: a command fails, or prints something else than its page shows.
    """
    for page in pages:
        empty = folder / page.stem
        empty.mkdir()
        began = monotonic()
        run_page(page, empty, programs=programs)
        # What a page shows of output is not typed.
        lines = sum(
            block.code.count("\n")
            for block in blocks_of(page.read_text(encoding="utf-8"))
            if block.not_run is None and block.language != "text"
        )
        yield page.stem, lines, monotonic() - began


def fresh(folder: Path) -> Path:
    """Make an environment, install this checkout into it, and return the folder of its programs."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, f"{ROOT}[venue]"], check=True)
    return folder / "bin"


def main() -> None:
    parser = ArgumentParser(description="Type the how-tos of a source, an exchange and a guard.")
    parser.add_argument("--fresh", action="store_true", help="in a new environment; needs an index of packages")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, programs = Path(name), None
        if options.fresh:
            began = monotonic()
            programs = fresh(folder / "environment")
            print(f"{'install':20} {'':10} {monotonic() - began:5.1f} s", flush=True)
        for page, lines, seconds in typed(PAGES, folder, programs):
            print(f"{page:20} {lines:4} lines {seconds:5.1f} s", flush=True)


if __name__ == "__main__":
    main()
