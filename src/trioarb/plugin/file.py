"""A plugin in one file, ``NAME.py``: read, known by its digest, and imported under a name of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import attrs

from trioarb.errors import ConfigError, Interrupt, PluginError, describe
from trioarb.settings.problem import Problem

__all__ = ["PluginFile"]

_SUFFIX = ".py"
#: A larger one takes minutes to compile.
_MOST_BYTES = 8 * 2**20
_PACKAGE = "`trioarb plugins new` makes a package, which may have several modules"


@attrs.frozen(kw_only=True)
class PluginFile:
    """A file as it was read once: what runs is what ``sha256`` (in hex) is the digest of. ``path`` is absolute."""

    path: Path
    sha256: str
    _text: bytes = attrs.field(repr=False, eq=False)

    @classmethod
    def read(cls, path: Path, *, file: str, key: str = "", missing: str = "") -> PluginFile:
        """Read the file; ``file`` and ``key`` say where it is named, ``missing`` what to do if it isn't there.

        Raises:
            ConfigError: it isn't there, isn't a file ``NAME.py``, or can't be read.
        """

        def refuse(message: str, remedy: str = "") -> ConfigError:
            return ConfigError([Problem(file=file, key=key, message=message, value=str(path), remedy=remedy)])

        if path.is_dir():
            raise refuse("a folder; a plugin is one file, NAME.py", "install a package by pip")
        if path.suffix != _SUFFIX or not path.stem:
            raise refuse("a plugin's file is named NAME.py")
        try:
            found = path.stat()
            # Others, such as a pipe, may never end.
            if not stat.S_ISREG(found.st_mode):
                raise refuse("no regular file; a plugin is one file, NAME.py")
            if found.st_size > _MOST_BYTES:
                raise refuse(f"larger than {_MOST_BYTES // 2**20} MiB; a plugin is one file of source", _PACKAGE)
            text = path.read_bytes()
        except FileNotFoundError:
            raise refuse("no such file", missing) from None
        except OSError as error:
            raise refuse(f"can't be read ({error.strerror or error})") from None
        return cls(path=Path(os.path.abspath(path)), sha256=hashlib.sha256(text).hexdigest(), text=text)

    @property
    def name(self) -> str:
        """What it is called where the configuration and journals speak of it."""
        return self.path.name

    def load(self) -> ModuleType:
        """Run the file, and return its module. One that this process has run already is not run again.

        Its folder is not searched for modules: what it imports has to be installed.

        Raises:
            PluginError: it raised; says in which line, and what.
        """
        unique = hashlib.sha256(f"{self.path}\n{self.sha256}".encode()).hexdigest()[:12]
        name = f"trioarb_file_{re.sub(r'[^A-Za-z0-9_]', '_', self.path.stem)}_{unique}"
        if (known := sys.modules.get(name)) is not None:
            return known
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        # Classes look for their annotations there.
        sys.modules[name] = module
        try:
            # What it prints must not come before what a command prints for programs.
            with redirect_stdout(sys.stderr):
                exec(compile(self._text, str(self.path), "exec", dont_inherit=True), module.__dict__)
        except BaseException as error:  # a file that calls sys.exit must not end the program without a word
            del sys.modules[name]
            if isinstance(error, Interrupt):
                raise
            raise PluginError(self._said(error)) from error
        return module

    def _said(self, error: BaseException) -> str:
        line = self._line(error)
        what = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else describe(error)
        return f"{self.path}{f', line {line}' if line else ''}: {what}; {self._remedy(error)}"

    def _line(self, error: BaseException) -> int | None:
        if isinstance(error, SyntaxError) and error.filename == str(self.path):
            return error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        return next((one.lineno for one in reversed(frames) if one.filename == str(self.path)), None)

    def _remedy(self, error: BaseException) -> str:
        if not isinstance(error, ImportError):
            return "mend it, or leave it out"
        wanted, _, within = (error.name or "").partition(".")
        beside = self.path.parent / wanted
        if not wanted or beside.is_dir() or beside.with_name(f"{wanted}{_SUFFIX}").is_file():
            return f"the folder of a plugin in one file isn't searched for modules; {_PACKAGE}"
        if within and wanted == __name__.partition(".")[0]:
            return "write it for this trioarb, or install another one"
        return f"install what it imports beside trioarb ({sys.executable} -m pip install …), or leave it out"
