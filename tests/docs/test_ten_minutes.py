"""The script that types pages takes each from an empty folder, and stops where one isn't true any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from ten_minutes import PAGES, typed

TRUE = """\
```bash
test -z "$(ls)"
echo 1 > made
cat made
```

```text
1
```
"""


def test_pages_are_typed_each_in_a_folder_of_its_own(tmp_path: Path) -> None:
    pages = [tmp_path / "one.md", tmp_path / "two.md"]
    for page in pages:
        page.write_text(TRUE)
    found = [(name, lines) for name, lines, _ in typed(pages, tmp_path)]
    assert found == [("one", 3), ("two", 3)]


def test_what_is_not_true_any_more_ends_it(tmp_path: Path) -> None:
    page = tmp_path / "one.md"
    page.write_text(TRUE.replace("echo 1", "echo 2"))
    with pytest.raises(AssertionError, match=r"one\.md:7 shows"):
        list(typed([page], tmp_path))


def test_the_pages_are_there() -> None:
    assert [page.name for page in PAGES if not page.is_file()] == []
