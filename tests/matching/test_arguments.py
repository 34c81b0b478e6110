"""Banned words in tool arguments, however their JSON spells them."""

from __future__ import annotations

import json

import pytest

from proxy.matching import ArgumentsScreen, Folding, Matcher, Pattern, Word, Words

SEARCHES = [Words([Word("banned", 0)], Folding(case_sensitive=False, normalize=True)), Pattern(r"\d{8}", rule=1)]
MASK = Matcher(SEARCHES, ["***", "#"])
BLOCK = Matcher(SEARCHES, [None, None])


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ('{"q": "a BANNED word"}', {"q": "a *** word"}),
        (r'{"q": "b\u0061nned"}', {"q": "***"}),
        ('{"banned": 1}', {"***": 1}),
        ('{"a": [{"b": ["x", "banned"]}], "n": 12345678, "f": 1.5}', {"a": [{"b": ["x", "***"]}], "n": "#", "f": 1.5}),
        ('"banned"', "***"),
        ('{"q": "banned", "q": "fine"}', {"q": "fine"}),
    ],
)
def test_texts_names_and_numbers_are_looked_at(arguments: str, masked: object) -> None:
    screen = ArgumentsScreen(MASK)
    assert json.loads(screen.screen(arguments)) == masked
    assert screen.found
    assert screen.blocked is None
    blocking = ArgumentsScreen(BLOCK)
    blocking.screen(arguments)
    assert blocking.blocked in (0, 1)


@pytest.mark.parametrize(
    "arguments", ['{"q": "ban", "r": "ned", "t": true, "z": null}', "", "{}", '{"cut": "of', "1e3"]
)
def test_what_is_clean_stays_as_it_is(arguments: str) -> None:
    screen = ArgumentsScreen(BLOCK)
    assert screen.screen(arguments) is arguments
    assert (screen.found, screen.blocked) == (set(), None)


@pytest.mark.parametrize(
    "arguments", ['{"q": "banned', r'{"q": "b\u0061nned', "{'q': 'banned'}", "[" * 100_000 + '"banned"']
)
def test_what_is_no_json_is_looked_at_too(arguments: str) -> None:
    screen = ArgumentsScreen(MASK)
    assert "anned" not in screen.screen(arguments)
    assert screen.found == {0}


def test_raw_input_of_a_tool_is_plain_text() -> None:
    screen = ArgumentsScreen(MASK)
    assert screen.screen('say "banned"', freeform=True) == 'say "***"'
    assert ArgumentsScreen(MASK).screen(r"b\u0061nned", freeform=True) == r"b\u0061nned"
