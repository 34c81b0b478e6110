"""Expressions that Python's engine is not asked to search by, and their harmless likes."""

from __future__ import annotations

import pytest

from proxy.matching.backtracking import reason_to_refuse

NESTED = [
    r"(a+)+$",
    r"(a|a)*b",
    r"(a*)*b",
    r"(\w+\s?)+x",
    r"([a-z]+\s*)+!",
    r"(\d+,?)+;",
    r"(?:\s+\w*)+;",
    r"(.*)*x",
    r"(a|aa)+$",
    r"(x+x+)+y",
    r"(?:a?){30}a{30}x",
    r"(?=(a+)+b)x",
    r"(?:(?:a+)b?)+c",
    r"(x)(?(1)(a+)+b|c)",
]
WIDE = [r"secret.*key.*value", r".*.*=.*", r"[a-z]+[a-z]+$", r"\d*\d*(?!x)", r"(\w+)\w+\1", r"x[^y]*[^z]*w"]
HARMLESS = [
    r"sk-[A-Za-z0-9]{20,}",
    r"(?:\w+\.)+com",
    r"[\w.]+@[\w.-]+\.\w+",
    r"(?:[ .-]?[0-9]){12,24}",
    r"password\s*[:=]\s*\S+",
    r"(?:\s+\w+)*;",
    r"(?<=a)b+",
    r"(\w+)\s\1",
    r"(?:foo|bar)+x",
    r"(?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}[a-z]{2,24}",
    r"[^\n]*x",
    r"(?i:(A|a)+)b",
    r"(?>a+)+b",
    r"(?:a+)++b",
    r"(?:\d{1,3}\.){3}\d{1,3}\b",
    r"[^x]+x[^x]+x",
    r"(?s:.)\D\S\W\d",
]


@pytest.mark.parametrize("source", NESTED)
def test_a_repeat_within_a_repeat_is_refused_where_a_text_can_be_divided_in_many_ways(source: str) -> None:
    assert reason_to_refuse(source, case_sensitive=False) == "a repeat stands within a repeat"


@pytest.mark.parametrize("source", WIDE)
def test_two_wide_repeats_over_the_same_characters_are_refused(source: str) -> None:
    assert "two wide repeats" in (reason_to_refuse(source, case_sensitive=False) or "")


@pytest.mark.parametrize("source", HARMLESS)
def test_what_does_no_harm_is_not(source: str) -> None:
    assert reason_to_refuse(source, case_sensitive=False) is None


def test_upper_and_lower_case_are_other_characters_only_where_that_is_wanted() -> None:
    assert reason_to_refuse("(?:a+A)+b", case_sensitive=True) is None
    assert reason_to_refuse("(?:a+A)+b", case_sensitive=False) is not None
    assert reason_to_refuse("(?i)(?:a+A)+b", case_sensitive=True) is not None
