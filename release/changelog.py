"""Put the fragments of changelog.d into CHANGELOG.md: python release/changelog.py [--draft] [--released DATE]."""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["assembled", "fragments", "main"]

ROOT = Path(__file__).parents[1]
_UNRELEASED = "(unreleased)"


def main(root: Path = ROOT, arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draft", action="store_true", help="show what would be added, and change nothing")
    parser.add_argument("--released", type=datetime.date.fromisoformat, help="day on which the version came out")
    given = parser.parse_args(arguments)
    found = fragments(root / "changelog.d")
    if given.draft:
        print("\n".join(found.values()))
        return 0
    path = root / "CHANGELOG.md"
    version = re.findall(r'__version__ = "(.+)"', (root / "src/trioarb/__init__.py").read_text(encoding="utf-8"))[0]
    text = assembled(path.read_text(encoding="utf-8"), version, list(found.values()), given.released)
    path.write_text(text, encoding="utf-8")
    for fragment in found:
        fragment.unlink()
    print(f"{len(found)} fragments are in CHANGELOG.md now")
    return 0


def fragments(folder: Path) -> dict[Path, str]:
    """Return the points of each fragment, in order of their names.

    Raises:
        SystemExit: one isn't made of points, as the README says.
    """
    found = {}
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        text = path.read_text(encoding="utf-8").strip()
        if not text.startswith("- ") or not all(line.startswith(("- ", "  ")) for line in text.splitlines()):
            raise SystemExit(f"{path}: each line begins with '- ', or goes on with two spaces")
        found[path] = text
    return found


def assembled(changelog: str, version: str, points: Sequence[str], released: datetime.date | None) -> str:
    """Return the changelog with the points at the end of the version's section, which is made if it isn't the first."""
    head, heading, rest = changelog.partition("\n## ")
    title, _, body = rest.partition("\n")
    if not heading or title.split()[0] != version:
        changelog = f"{head.rstrip()}\n\n## {version} {_UNRELEASED}\n\n" + (f"## {rest}" if heading else "")
        head, heading, rest = changelog.partition("\n## ")
        title, _, body = rest.partition("\n")
    section, later, older = body.partition("\n## ")
    section = "\n".join(part for part in (section.strip(), *points) if part)
    if released is not None:
        title = title.replace(_UNRELEASED, f"({released})")
    return f"{head}{heading}{title}\n\n{section}\n{later}{older}"


if __name__ == "__main__":
    sys.exit(main())
