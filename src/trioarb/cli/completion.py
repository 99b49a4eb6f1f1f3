"""`trioarb --install-completion`: let a shell complete commands, options and file names; or take that back."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

import attrs
from cyclopts import Parameter

from trioarb.cli.options import ANY_CASE
from trioarb.cli.output import write_text
from trioarb.errors import ConfigError
from trioarb.report.visible import say
from trioarb.settings.problem import Problem

__all__ = ["install_completion"]

Shell = Literal["bash", "zsh", "fish"]

#: Between these two the startup file is ours.
_BEGIN, _END = "# >>> trioarb completion >>>", "# <<< trioarb completion <<<"
#: How cyclopts has bash complete file names: one with a space is two, and a folder ends with a space.
_CRUDE = 'COMPREPLY=( $(compgen -f -- "${cur}") )'
_FILES = """_trioarb_files() {
  compopt -o filenames 2>/dev/null  # bash 3.2 has none
  local IFS=$'\\n'
  COMPREPLY=( $(compgen -f -- "${cur}") )
}

"""


@attrs.frozen(kw_only=True)
class _Place:
    """Where a shell finds completions: a script, and what its startup file has to say.

    ``comes_first``: it has to be said before all else in that file.
    """

    script: Path
    startup: Path | None = None
    lines: tuple[str, ...] = ()
    comes_first: bool = False


def install_completion(
    shell: Annotated[Shell | None, ANY_CASE, Parameter(help="Which shell; absent: the one that $SHELL names.")] = None,
    /,
    *,
    undo: Annotated[bool, Parameter(negative="", help="Take back what was written.")] = False,
) -> int:
    """Write a completion for a shell, or take it back; return 0."""
    chosen = shell or _own_shell(os.environ)
    place = _place(chosen, os.environ, Path.home())
    try:
        for line in _undo(place) if undo else _install(chosen, place):
            say(line)
    except OSError as error:
        raise ConfigError(
            [Problem(file=str(error.filename or place.script), message=f"can't be written ({error.strerror})")]
        ) from None
    return 0


def _own_shell(environment: Mapping[str, str]) -> Shell:
    name = Path(environment.get("SHELL", "")).name
    for shell in get_args(Shell):
        if name == shell:
            return shell  # type: ignore[no-any-return]
    raise ConfigError(
        [
            Problem(
                file="--install-completion",
                message="which shell? $SHELL names none that is known",
                value=name or "nothing",
                allowed=", ".join(get_args(Shell)),
                remedy="say it, as in: trioarb --install-completion bash",
            )
        ]
    )


def _place(shell: Shell, environment: Mapping[str, str], home: Path) -> _Place:
    match shell:
        case "bash":
            data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
            script = data / "bash-completion/completions/trioarb"
            named = shlex.quote(str(script))
            return _Place(script=script, startup=home / ".bashrc", lines=(f"[ -f {named} ] && . {named}",))
        case "zsh":
            startup = Path(environment.get("ZDOTDIR") or home) / ".zshrc"
            folder = Path(environment.get("XDG_DATA_HOME") or home / ".local/share") / "zsh/site-functions"
            lines = [f"fpath=({shlex.quote(str(folder))} $fpath)"]
            if "compinit" not in _outside(_read(startup)):
                lines.append("autoload -Uz compinit && compinit")
            return _Place(script=folder / "_trioarb", startup=startup, lines=tuple(lines), comes_first=True)
        case "fish":
            config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
            return _Place(script=config / "fish/completions/trioarb.fish")


def _install(shell: Shell, place: _Place) -> Iterator[str]:
    from trioarb.cli.commands import COMMANDS
    from trioarb.cli.installed import add_installed
    from trioarb.cli.main import app

    add_installed(app, COMMANDS, ())
    text = app.generate_completion(prog_name="trioarb", shell=shell)
    if shell == "bash":
        text = _FILES + text.replace(_CRUDE, "_trioarb_files")
    if shell == "zsh" and (function := re.search(r"^(_\w+)\(\) {$", text, flags=re.MULTILINE)):
        text += f'\n{function[1]} "$@"\n'  # whatever the file is called: cyclopts counts on a name of its own
    place.script.parent.mkdir(parents=True, exist_ok=True)
    write_text(place.script, text)
    yield f"wrote {place.script}"
    if place.startup is not None:
        old = _outside(_read(place.startup))
        ours = "\n".join([_BEGIN, *place.lines, _END, ""])
        _replace(place.startup, f"{ours}{old}" if place.comes_first else f"{_ended(old)}{ours}")
        yield f"{place.startup} has {len(place.lines) + 2} lines of it, from {_BEGIN!r} on"
    yield "It holds in new shells. Once more after an update, or when a package with commands of its own was installed."
    yield f"To undo it: trioarb --install-completion {shell} --undo"


def _undo(place: _Place) -> Iterator[str]:
    is_there = place.script.exists()
    place.script.unlink(missing_ok=True)
    yield f"removed {place.script}" if is_there else f"{place.script} is not there"
    if place.startup is not None and _BEGIN in (text := _read(place.startup)):
        _replace(place.startup, _outside(text))
        yield f"took our lines out of {place.startup}"


def _read(path: Path) -> str:
    # What isn't UTF-8 comes back as it was.
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""


def _replace(path: Path, text: str) -> None:
    """Write a startup file: where it is a link, the file that it leads to; with the rights that it had."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    write_text(target, text, mode=mode)


def _outside(text: str) -> str:
    """Return a startup file without our lines."""
    before, begin, rest = text.partition(f"{_BEGIN}\n")
    _, end, after = rest.partition(f"{_END}\n")
    return before + after if begin and end else text


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
