"""The grammar of the directives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.echo.directives import CallDirective, DirectiveError, Step, parse_directives


def step(text: str) -> Step:
    """Returns the only step of a text."""
    found = parse_directives(text)
    assert len(found.steps) == 1
    return found.steps[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[say Hello there.]]", Step(say="Hello there.")),
        ("[[say=Hello]]", Step(say="Hello")),
        ("[[say two [1] brackets]]", Step(say="two [1] brackets")),
        ("[[say a[b[0]]]]", Step(say="a[b[0]]")),
        ("[[[say a[b[0]] + 1]]]", Step(say="a[b[0]] + 1")),
        ('[[say "two\\nlines]]"]]', Step(say="two\nlines]]")),
        ('[[say {"a":[[1]]}]]', Step(say='{"a": [[1]]}')),
        ("[[say one\ntwo]]", Step(say="one\ntwo")),
        ("[[reasoning Let me think.]]", Step(reasoning="Let me think.")),
        ("[[reasoning hm]] [[say ok]]", Step(say="ok", reasoning="hm")),
        ("[[refuse]]", Step(refusal="I cannot help with that.")),
        ("[[refuse Sorry.]]", Step(refusal="Sorry.")),
        ("[[finish length]]", Step(finish="length")),
        ("[[error]]", Step(status=500)),
        ("[[error 503]]", Step(status=503)),
        ("[[error 429 insufficient_quota]]", Step(status=429, code="insufficient_quota")),
        ("[[stream_error]]", Step(accident="stream_error")),
        ("[[stream_error 3]]", Step(accident="stream_error", after=3)),
        ("[[cut]]", Step(accident="cut")),
        ("[[stall=0]]", Step(accident="stall", after=0)),
    ],
)
def test_actions(text, expected) -> None:
    assert step(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[call f]]", CallDirective("f")),
        ('[[call f {"a": [[1, 2]], "b": "]]"}]]', CallDirective("f", {"a": [[1, 2]], "b": "]]"})),
        ('[[call f{"a":1}]]', CallDirective("f", {"a": 1})),
        ("[[call mcp__demo__add]]", CallDirective("mcp__demo__add")),
        ("[[call functions.exec text(1);\ntext(2)]]", CallDirective("functions.exec", "text(1);\ntext(2)")),
        ('[[call f "raw ]] text"]]', CallDirective("f", "raw ]] text")),
        ('[[call f {"broken": ]]', CallDirective("f", '{"broken":')),
        ('[[call f {"a": 1} and more]]', CallDirective("f", '{"a": 1} and more')),
        ('[[call_raw f {"broken]]', CallDirective("f", '{"broken', verbatim=True)),
        ('[[call_raw f {"a":1}]]', CallDirective("f", '{"a": 1}', verbatim=True)),
        ("[[call_raw f]]", CallDirective("f", "", verbatim=True)),
    ],
)
def test_calls(text, expected) -> None:
    assert step(text).calls == [expected]


def test_several_calls_are_one_step() -> None:
    assert step("[[call f]] [[call g]]").calls == [CallDirective("f"), CallDirective("g")]


def test_settings_are_no_step() -> None:
    found = parse_directives("hi [[tokens_per_s=50]] [[first_token_s 0.5]] [[head_s=1]] [[repeat=100]]")
    assert found.steps == []
    assert (found.tokens_per_s, found.first_token_s, found.head_s, found.repeat) == (50, 0.5, 1, 100)
    assert (found.text, found.found) == ("hi", True)


def test_steps() -> None:
    found = parse_directives(
        '[[step call f {"cmd":"ls"}]] [[step]] [[say a]] [[call g]] [[tokens_per_s=9]] [[step say done]]'
    )
    assert found.steps == [
        Step(calls=[CallDirective("f", {"cmd": "ls"})]),
        Step(say="a", calls=[CallDirective("g")]),
        Step(say="done"),
    ]
    assert found.tokens_per_s == 9


def test_what_stands_in_front_of_the_first_step_is_a_step() -> None:
    assert [one.say for one in parse_directives("[[say a]] [[step say b]]").steps] == ["a", "b"]


def test_the_text_around_directives_is_left() -> None:
    assert parse_directives("Please [[say a]] do [[cut]] this. ").text == "Please do this."


@pytest.mark.parametrize(
    "text", ["", "plain", "if [[ -f x ]]; then", "[[unknown a]]", "[[sayonara]]", "[say a]", "[[steps]]"]
)
def test_other_brackets_are_text(text) -> None:
    found = parse_directives(text)
    assert (found.text, found.found, found.steps) == (text, False, [])


@pytest.mark.parametrize(
    "text",
    [
        "[[say never closed]",
        "[[call]]",
        "[[call {}]]",
        "[[error abc]]",
        "[[error 200]]",
        "[[finish]]",
        "[[cut -1]]",
        "[[cut soon]]",
        "[[repeat=0]]",
        "[[tokens_per_s=fast]]",
        "[[tokens_per_s=nan]]",
        "[[step dance]]",
    ],
)
def test_mistakes_are_named(text) -> None:
    with pytest.raises(DirectiveError, match=r"say|call|error|finish|cut|repeat|tokens_per_s|dance"):
        parse_directives(text)


PIECES = ["[[", "]]", "[", "]", "say", "call", "step", " ", "f", "{", "}", '"', "1", "cut", "=", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_parsed_or_refused(text) -> None:
    try:
        found = parse_directives(text)
    except DirectiveError:
        return
    assert found.found or found.text == text
