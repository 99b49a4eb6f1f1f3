"""When silence is named, step by step."""

from __future__ import annotations

from trioarb.venue.silence import Key, Silence


def named(silence: Silence, steps: int) -> list[tuple[int, Key]]:
    """Go on by so many steps; return at which step which key was named."""
    return [(silence.step, key) for _ in range(steps) for key in silence.advance()]


def test_it_names_what_was_silent_for_too_long_and_again_after_twice_the_time_up_to_sixteen_times() -> None:
    silence = Silence({"a": 8.0, "b": 16.0, "c": None})
    assert silence.step_seconds == 1.0
    assert named(silence, 50) == [], "nothing is expected yet"

    silence.begin()
    start = silence.step
    times = named(silence, 700)
    assert [step - start for step, key in times if key == "a"] == [9, 26, 59, 124, 253, 382, 511, 640]
    assert [step - start for step, key in times if key == "b"] == [17, 50, 115, 244, 501]
    assert {key for _, key in times} == {"a", "b"}


def test_what_is_heard_again_is_named_as_soon_as_the_first_time() -> None:
    silence = Silence({"a": 8.0})
    silence.begin()
    assert named(silence, 30) == [(9, "a"), (26, "a")]

    silence.heard["a"] = silence.step
    assert named(silence, 30) == [(39, "a"), (56, "a")]


def test_what_goes_on_is_never_named() -> None:
    silence = Silence({"a": 8.0})
    silence.begin()
    for _ in range(50):
        assert named(silence, 8) == []
        silence.heard["a"] = silence.step


def test_after_its_end_nothing_is_named_until_it_begins_anew() -> None:
    silence = Silence({"a": 8.0})
    silence.begin()
    named(silence, 8)
    silence.end()
    assert named(silence, 100) == []
    silence.begin()
    assert named(silence, 9) == [(117, "a")]


def test_steps_are_fine_enough_for_the_shortest_time() -> None:
    assert Silence({"a": 100.0, "b": 0.8}).step_seconds == 0.1
    assert Silence({"a": 100.0}, 0.4).step_seconds == 0.05
    assert Silence({}).step_seconds == 1.0
    assert Silence({"a": 0.8}).steps(0.81) == 9
