"""What of a request has no effect: named in a form that can stand in a header, or refused."""

from __future__ import annotations

import pytest

from proxy.api.responses.fields import FIELDS
from proxy.errors import BadRequest
from proxy.providers.effects import OWN_FIELDS, Effects
from proxy.providers.provider import TranslateOptions


def test_what_is_named_can_stand_in_a_header() -> None:
    named: list[str] = []
    effects = Effects(TranslateOptions(), named.append)
    effects.note("a\r\nb: é")
    effects.hint("x" * 100)
    assert named == ["a??b: ?", "x" * 80]


def test_only_the_first_unknown_ones_are_named() -> None:
    named: list[str] = []
    Effects(TranslateOptions(), named.append).hint_first(f"f{n}" for n in range(100))
    assert named == [f"f{n}" for n in range(20)]


def test_parameters_are_refused_where_the_options_say_so() -> None:
    named: list[str] = []
    effects = Effects(TranslateOptions(params="strict"), named.append)
    effects.note("tools[0]: mcp")
    for tell in (effects.hint, lambda name: effects.hint_first([name])):
        with pytest.raises(BadRequest) as caught:
            tell("top_k")
        assert (caught.value.param, caught.value.code) == ("top_k", "unsupported_parameter")
    assert named == ["tools[0]: mcp"]


def test_most_of_penstocks_own_are_fields_of_the_api() -> None:
    assert OWN_FIELDS - FIELDS.keys() <= {"max_tokens", "max_completion_tokens", "n", "model", "input", "store"}
