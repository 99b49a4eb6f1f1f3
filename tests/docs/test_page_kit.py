"""A page whose blocks fail, don't load or print something else than it shows is noticed, with its line."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from page import blocks_of, is_shown, run_page

GOOD = """\
<!-- not run: needs the network -->
```bash
curl https://example.com | sh
```

```toml
# my.toml
a = 1
```

1. Then

   ```toml
   # at the end of my.toml
   b = 2
   ```

```python
# src/acme/edge.py
EDGE = 3
```

```bash
cd src
export COLOUR=blue
```

```console
$ echo $COLOUR \\
    sky
blue sky
$ cat ../my.toml; pwd; false || echo "exit code $?"
# my.toml
a = 1

# at the end of my.toml
b = 2
…/src
exit code 1
```

```diff
--- acme/edge.py
+++ acme/edge.py
@@ -1,2 +1,2 @@
 # src/acme/edge.py
-EDGE = 3
+EDGE = 4
```

```python
import sys

sys.path.insert(0, "acme")
import edge

print(edge.EDGE)
```

```bash
seq 9
printf unended
```

```text
1
…
8
9
un…
```
"""


INSTALLING = """\
```toml
# acme-alone/pyproject.toml
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-alone"
version = "1.0"
dependencies = ["trioarb"]
```

```python
# acme-alone/src/acme_alone/__init__.py
EDGE = 3
```

```bash
pip install --quiet -e acme-alone
python -c "import acme_alone, trioarb; print(acme_alone.EDGE)"
trioarb --version
```

```text
3
0.…
```
"""


def run(text: str, folder: Path) -> None:
    page = folder / "page.md"
    page.write_text(text)
    (folder / "empty").mkdir()
    run_page(page, folder / "empty")


def test_a_page_is_run_in_one_shell_with_its_files(tmp_path: Path) -> None:
    run(GOOD, tmp_path)
    assert [block.not_run for block in blocks_of(GOOD) if block.not_run] == ["needs the network"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("8\n9\n", "8\n10\n", r"page.md:65 shows\n\n10\n"),
        ("blue sky", "grey sky", "page.md:28 shows\n\ngrey sky\n"),
        ("-EDGE = 3", "-EDGE = 2", "(?s)page.md:42: exit code 1 .*patch does not apply"),
        ("print(edge.EDGE)", "print(edge.OTHER)", "(?s)page.md:51: exit code 1 .*has no attribute 'OTHER'"),
        ("seq 9\n", "sleep 60 &\nfalse\n", "page.md:60: exit code 1 of"),
        ("seq 9\n", "seq 9\nfalse\n", "page.md:60: exit code 1 of"),
        ("```bash\nseq 9\nprintf unended\n```\n", "", "page.md:61 shows what no command before it has printed"),
        ("a = 1\n```", "a = \n```", "Invalid value"),
    ],
)
def test_what_is_not_so_is_named(before: str, after: str, said: str, tmp_path: Path) -> None:
    assert GOOD.count(before) == 1
    with pytest.raises((AssertionError, ValueError), match=said):
        run(GOOD.replace(before, after), tmp_path)


def test_what_a_page_installs_is_there_for_the_page_alone(tmp_path: Path) -> None:
    run(INSTALLING, tmp_path)
    assert find_spec("acme_alone") is None


@pytest.mark.parametrize(
    ("shown", "printed", "is_so"),
    [
        ("a 1.5 b", "a 1.5 b\n", True),
        ("a 1.5 b", "a 1x5 b\n", False),
        ("a … b", "a 12:30 b   \n", True),
        ("a … b", "a\nb\n", False),
        ("…\nlast", "1\n2\nlast", True),
        ("…\nlast", "last", True),
        ("…\nlast", "1\nlast\nmore", False),
        ("first\n…", "first\n2\n3", True),
        ("one", "one\ntwo", False),
    ],
)
def test_an_ellipsis_stands_for_text_in_a_line_or_for_lines(shown: str, printed: str, is_so: bool) -> None:
    assert is_shown(shown, printed) is is_so
