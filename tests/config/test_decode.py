"""Every mistake in a struct at its own place, and nothing that only follows from one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from proxy.config.decode import decode
from proxy.config.problems import Problems
from proxy.config.types import Duration, Mistake, Secret, Sources
from tests.support.config_nodes import NOTHING, found, node_of


class Words(msgspec.Struct, tag_field="match", tag="words", forbid_unknown_fields=True):
    words: Annotated[list[str], Meta(min_length=1)]
    limit: int


class Regex(msgspec.Struct, tag_field="match", tag="regex", forbid_unknown_fields=True):
    pattern: str = ""


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    size: int = 0


class Whole(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    rules: tuple[Words | Regex, ...] = ()
    by_name: dict[str, dict[str, list[int]]] = {}
    codes: dict[int, str] = {}
    inner: Inner | None = None
    pair: tuple[int, int] = (0, 0)
    share: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    idle: Duration = Duration(1)
    key: Secret | None = None
    low: int = 0
    high: int = 9
    mode: Literal["a", "b"] = "a"
    when: complex | None = None

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise Mistake("low is above high", "swap them")


def mistakes(text: str, config: type[Any] = Whole) -> list[str]:
    problems = Problems("f")
    value = decode(node_of(text), config, "stage", problems, NOTHING)
    assert (value is None) == bool(problems.errors)
    return found(problems)


def test_what_is_right_is_decoded():
    text = "rules: [{match: regex, pattern: x}]\nby_name: {a: {b: [1]}}\ncodes: {429: slow}\nidle: 2m\nkey: k\n"
    value = decode(node_of(text), Whole, "stage", Problems("f"), NOTHING)
    assert value is not None
    assert (value.rules, value.by_name, value.codes) == ((Regex("x"),), {"a": {"b": [1]}}, {429: "slow"})
    assert (value.idle, value.key) == (120, Secret("k"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "by_name: {one: {a: [1], b: [1, x]}, two: {c: y}, three: {d: [z, 2, w]}}",
            [
                'f:1:32: stage.by_name.one.b[1]: expected a whole number, found "x"   '
                "(write a number without a fraction, such as 10)",
                'f:1:46: stage.by_name.two.c: expected a list, found "y"   (write [y])',
                'f:1:62: stage.by_name.three.d[0]: expected a whole number, found "z"   '
                "(write a number without a fraction, such as 10)",
                'f:1:68: stage.by_name.three.d[2]: expected a whole number, found "w"   '
                "(write a number without a fraction, such as 10)",
            ],
        ),
        ("codes: {429: a, x: b}", ['f:1:17: stage.codes: a key here must be a whole number, found "x"   (rename it)']),
        ("codes: {429: 5}", ['f:1:14: stage.codes.429: expected text, found 5   (put it in quotes: "5")']),
        (
            "rules: [{match: words}, {match: words, limit: many, words: [1]}, {match: nope}, 5, {}]",
            [
                'f:1:9: stage.rules[0]: "limit" is missing   (add "limit: ...")',
                'f:1:9: stage.rules[0]: "words" is missing   (add "words: ...")',
                'f:1:47: stage.rules[1].limit: expected a whole number, found "many"   '
                "(write a number without a fraction, such as 10)",
                'f:1:61: stage.rules[1].words[0]: expected text, found 1   (put it in quotes: "1")',
                'f:1:74: stage.rules[2].match: invalid value "nope"   (one of: regex, words)',
                "f:1:81: stage.rules[3]: expected a mapping, found 5   "
                "(write its settings as key: value, with a space after the colon)",
                'f:1:84: stage.rules[4]: "match" is missing   (add "match: ..."; one of: regex, words)',
            ],
        ),
        (
            "inner: {nmae: x, size: big}",
            [
                'f:1:9: stage.inner: unknown field "nmae"   (did you mean "name"?)',
                'f:1:24: stage.inner.size: expected a whole number, found "big"   '
                "(write a number without a fraction, such as 10)",
            ],
        ),
        ("pair: [1]", ["f:1:7: stage.pair: a list has the wrong length   (give exactly 2 items)"]),
        ("pair: [1, 2, 3]", ["f:1:7: stage.pair: a list has the wrong length   (give exactly 2 items)"]),
        ("share: 1", ["f:1:8: stage.share: 1 is out of range   (write a number of less than 1)"]),
        ("share: -0.5", ["f:1:8: stage.share: -0.5 is out of range   (write a number of at least 0)"]),
        ("low: 10", ["f:1:1: stage: low is above high   (swap them)"]),
        (
            "low: 10\nhigh: twelve\n",
            [
                'f:2:7: stage.high: expected a whole number, found "twelve"   '
                "(write a number without a fraction, such as 10)"
            ],
        ),
        ("key: env:NOPE", ["f:1:6: stage.key: environment variable NOPE is not set   (set NOPE before starting)"]),
        ("mode: A", ['f:1:7: stage.mode: invalid value "A"   (one of: a, b)']),
        ("mode:", ["f:1:6: stage.mode: expected text, found nothing   (give it a value, or remove the key)"]),
        ("[a]", ["f:1:1: stage: expected a mapping, found a list   "
                 "(write its settings as key: value, with a space after the colon)"]),
        (
            "a: 1\nhigh: x\nb: 2\nmode: 3\n",
            [
                "f:1:1: stage: unknown field \"a\"   "
                "(fields: by_name, codes, high, idle, inner, key, low, mode, pair, rules, share, when)",
                'f:2:7: stage.high: expected a whole number, found "x"   '
                "(write a number without a fraction, such as 10)",
                "f:3:1: stage: unknown field \"b\"   "
                "(fields: by_name, codes, high, idle, inner, key, low, mode, pair, rules, share, when)",
                'f:4:7: stage.mode: expected text, found 3   (put it in quotes: "3")',
            ],
        ),
    ],
)  # fmt: skip
def test_mistakes(text, expected):
    assert mistakes(text) == expected


def test_a_type_without_a_written_form_is_a_fault_of_the_stage():
    assert mistakes("when: 3") == ["f:1:7: stage.when: complex has no written form   (mend the value)"]


def test_a_reference_where_nothing_is_looked_up_gives_a_warning():
    problems = Problems("f")
    text = "codes: {1: env:CODE, 2: ${CODE}, 3: see env:CODE}\nkey: env:KEY\n"
    text = text.replace("${CODE}", "'${CODE}'")
    assert decode(node_of(text), Whole, "stage", problems, Sources({"KEY": "k"})) is not None
    assert found(problems) == [
        'f:1:12: warning: stage.codes.1: "env:CODE" is taken as it stands; only secrets are looked up   '
        "(write the value itself)",
        'f:1:25: warning: stage.codes.2: "${CODE}" is taken as it stands; only secrets are looked up   '
        "(write the value itself)",
    ]


def test_items_that_are_wrong_do_not_make_the_list_too_short():
    assert mistakes("rules: [{match: words, words: [1], limit: 1}]") == [
        'f:1:32: stage.rules[0].words[0]: expected text, found 1   (put it in quotes: "1")'
    ]
