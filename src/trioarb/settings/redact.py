"""Known secrets, taken out of whatever is shown or kept."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import attrs
import msgspec

from trioarb.errors import CampaignError, ConfigError

__all__ = ["Redactor"]

ValueT = TypeVar("ValueT")

_SHOWN = "***"
#: Shorter secrets would be found in any text.
_SHORTEST = 4
#: A part of a secret, or of one in base64, is only taken for it if it is as long as this.
_SHORTEST_PART = 8
#: Where a text may have been cut, by us or by a stranger.
_CUT = re.compile(r"…|\.\.\.|\Z")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_OTHER_TYPES = (bool, int, float, type(None))


@attrs.frozen
class Redactor:
    """Replaces secrets by ``***``: as they are, URL-encoded, in base64 or hex, as HTML, JSON and Python write them.

    Eight characters and more of a secret's beginning are replaced, too, where a text was cut: before an ellipsis and
    at its end. False if there are none. A secret of less than four characters is not looked for.
    """

    _pattern: re.Pattern[str] | None = attrs.field(default=None, repr=False)
    #: The first characters of each form that is long enough to be cut.
    _beginning: re.Pattern[str] | None = attrs.field(default=None, repr=False)
    _long: tuple[str, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        if not forms:
            return cls()
        # A longer form first: none may be replaced in part.
        ordered = sorted(forms, key=lambda one: (-len(one), one))
        long = tuple(form for form in ordered if len(form) > _SHORTEST_PART)
        beginnings = "|".join(sorted({re.escape(form[:_SHORTEST_PART]) for form in long}))
        return cls(re.compile("|".join(map(re.escape, ordered))), re.compile(beginnings) if long else None, long)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub(_SHOWN, text)
        kept, done = list[str](), 0
        found = None if self._beginning is None else self._beginning.search(text)
        while self._beginning is not None and found is not None:
            start = found.start()
            end = start + max(_common(form, text[start : start + len(form)]) for form in self._long)
            cut = _CUT.search(text, start + _SHORTEST_PART)
            if cut is not None and cut.start() <= end > done:
                kept += [text[done:start], _SHOWN] if start >= done else []
                done = end
            found = self._beginning.search(text, start + 1)
        return "".join([*kept, text[done:]])

    def value(self, value: Any) -> Any:
        """Return a value as JSON knows them, with keys and texts redacted; what else is in it as text."""
        if self._pattern is None or isinstance(value, _OTHER_TYPES):
            return value
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return self.text(str(value))

    def fields(self, value: ValueT) -> ValueT:
        """Return an attrs value, or an event, with the texts in its fields redacted, those in tuples too."""
        if self._pattern is None:
            return value
        given: Any = value
        is_struct = isinstance(given, msgspec.Struct)
        changed: dict[str, Any] = {}
        for name in type(given).__struct_fields__ if is_struct else attrs.fields_dict(type(given)):
            before = getattr(given, name)
            after = before
            if isinstance(before, str):
                after = self.text(before)
            elif isinstance(before, tuple):
                after = tuple(self.text(item) if isinstance(item, str) else item for item in before)
            if after != before:
                changed[name] = after
        if not changed:
            return value
        evolved: ValueT = (msgspec.structs.replace if is_struct else attrs.evolve)(given, **changed)
        return evolved

    @contextmanager
    def in_errors(self) -> Iterator[None]:
        """Redact whatever is raised inside."""
        try:
            yield
        except BaseException as error:
            self.error(error)
            text = str(error)
            if isinstance(error, Exception) and self.text(text) != text:
                # It says something else than it was made of.
                raise CampaignError(f"{type(error).__name__}: {self.text(text)}") from None
            raise

    def error(self, error: BaseException) -> None:
        """Redact what an error says, and what the errors that led to it say."""
        if self._pattern is None:
            return
        led: list[BaseException | None] = [error]
        seen: list[BaseException] = []
        while led:
            one = led.pop()
            if one is None or any(one is other for other in seen):
                continue
            seen.append(one)
            if isinstance(one, ConfigError):
                one.problems = tuple(map(self.fields, one.problems))
            one.args = tuple(self.text(argument) if isinstance(argument, str) else argument for argument in one.args)
            led += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                led += one.exceptions


def _common(form: str, text: str) -> int:
    """Return how many characters both begin with; the text is no longer than the form."""
    return next((place for place, one in enumerate(text) if one != form[place]), len(text))


def _forms(secret: str) -> Iterator[str]:
    lines = [line for line in secret.splitlines() if len(line) >= _SHORTEST_PART]
    for text in (secret, secret.strip(), *(lines if len(lines) > 1 else ())):
        if len(text) >= _SHORTEST:
            yield from _written(text)
            yield from _in_base64(text.encode(errors="surrogatepass"))


def _written(text: str) -> Iterator[str]:
    raw = text.encode(errors="surrogatepass")
    yield text
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield _PERCENT.sub(lambda found: found[0].lower(), quoted)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield repr(f'"{text}')[2:-1]  # beside a double quote single ones are escaped
    yield ascii(text)[1:-1]
    yield repr(raw)[2:-1]
    for escaped in (html.escape(text), html.escape(text, quote=False)):
        for page in (escaped, repr(escaped)[1:-1]):
            yield page
            yield page.replace("&#x27;", "&#39;")
            yield page.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield raw.hex()
    yield raw.hex().upper()


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield what stays the same of base64, wherever in a longer text the secret begins (``user:password``)."""
    whole = base64.b64encode(raw).decode()
    found = [whole, whole.rstrip("=")]
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        length = (before + len(raw)) * 8 // 6
        found.append(base64.b64encode(bytes(before) + raw).decode()[skipped:length])
    for form in found:
        if len(form) >= _SHORTEST_PART:
            yield form
            yield form.translate(str.maketrans("+/", "-_"))
