"""Secrets are taken out of texts, however they are written there."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.errors import CampaignError, ConfigError, VenueError, cut, shown
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor

SECRET = "a/b+c d\"e\\f'g=ü"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        repr(SECRET.encode())[2:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        html.escape(SECRET).replace("&#x27;", "&#39;"),
    ],
)
def test_each_form_is_found(form: str) -> None:
    assert Redactor.of([SECRET]).text(f"before {form} after") == "before *** after"


@given(before=st.binary(max_size=7), secret=st.binary(min_size=8, max_size=40), after=st.binary(max_size=7))
def test_inside_of_what_is_encoded_nothing_of_it_can_be_decoded(before: bytes, secret: bytes, after: bytes) -> None:
    text = secret.hex()
    encoded = base64.b64encode(before + text.encode() + after).decode()
    redacted = Redactor.of([text]).text(encoded)

    assert "***" in redacted
    assert len(redacted.replace("***", "")) <= (len(before) + len(after)) * 4 // 3 + 8


@given(
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*x"), min_size=8, max_size=60
    ),
    offset=st.integers(-70, 20),
    twice=st.booleans(),
    cuts=st.sampled_from([lambda text: cut(text, 500), shown, lambda text: text[:500]]),
    write=st.sampled_from([str, quote, html.escape, lambda text: base64.b64encode(text.encode()).decode()]),
)
def test_of_a_secret_that_was_cut_no_eight_characters_are_left(
    secret: str, offset: int, twice: bool, cuts: Callable[[str], str], write: Callable[[str], str]
) -> None:
    planted = write(secret)
    length = 80 if cuts("x" * 1000).startswith("'") else 500
    text = "x" * max(0, length + offset) + planted * (1 + twice) + "x" * 500
    redacted = Redactor.of([secret]).text(cuts(text))

    assert not [at for at in range(len(planted) - 7) if planted[at : at + 8] in redacted]


def test_the_beginning_of_a_secret_is_only_taken_for_it_where_a_text_is_cut() -> None:
    redactor = Redactor.of(["secret-of-the-venue"])

    assert redactor.text("secret-of… secret-of-the... secret-of-the-ven") == "***… ***... ***"
    assert redactor.text("a secret-of mine, secret-…") == "a secret-of mine, secret-…"


def test_a_secret_of_several_lines_is_found_line_by_line() -> None:
    key = "-----BEGIN-----\nMIIEvQIBADANBgkq\n-----END-----\n"

    assert "MIIEvQ" not in Redactor.of([key]).text(f"{key} MIIEvQIBADANBgkq")


def test_what_is_too_short_is_not_looked_for() -> None:
    assert not Redactor.of(["", "abc"])
    assert Redactor.of(["abc"]).text("abc") == "abc"


def test_the_longer_one_of_two_is_taken_out_whole() -> None:
    assert Redactor.of(["secret", "secret-2"]).text("secret-2 secret") == "*** ***"


def test_values_of_json_keep_their_shape() -> None:
    value = {"secret": ["x secret", 1, None, True, {"k": ("secret",)}], "n": 1.5}

    assert Redactor.of(["secret"]).value(value) == {"***": ["x ***", 1, None, True, {"k": ["***"]}], "n": 1.5}
    assert Redactor().value(value) is value


def test_texts_in_fields() -> None:
    @attrs.frozen
    class Event:
        reason: str
        names: tuple[str, ...]
        size: int = 1

    redactor, same = Redactor.of(["secret"]), Event("none", ())

    assert redactor.fields(Event("my secret", ("a", "secret"))) == Event("my ***", ("a", "***"))
    assert redactor.fields(same) is same


def test_errors_and_what_led_to_them() -> None:
    redactor = Redactor.of(["secret"])

    def fail(error: Exception) -> None:
        with redactor.in_errors():
            try:
                raise KeyError("secret")
            except KeyError as cause:
                raise error from cause

    with pytest.raises(VenueError, match=r"^a \*\*\*$") as venue:
        fail(VenueError("a secret"))
    assert str(venue.value.__cause__) == "'***'"
    with pytest.raises(ConfigError) as config:
        fail(ConfigError([Problem(key="k", message="a secret")]))
    assert config.value.problems == (Problem(key="k", message="a ***"),)
    with pytest.raises(ExceptionGroup) as group:
        fail(ExceptionGroup("several", [VenueError("a secret")]))
    assert str(group.value.exceptions[0]) == "a ***"


def test_an_error_that_says_it_in_its_own_way() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            return "a secret"

    with pytest.raises(CampaignError, match=r"^Rude: a \*\*\*$"), Redactor.of(["secret"]).in_errors():
        raise Rude


def test_it_does_not_show_what_it_looks_for() -> None:
    assert "secret" not in repr(Redactor.of(["secret"]))
