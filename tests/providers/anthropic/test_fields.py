"""What the fields of a request mean to Claude."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.fields import (
    ANSWER_TOOL,
    answer_tool,
    caches,
    hint_unless_zero,
    parameters,
    sampling,
    schema_form,
    stop_words,
)
from proxy.providers.anthropic.profile import PromptCache
from tests.support.asked import request

FORM = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "description": "An a."}


def test_fields_are_known_kept_here_or_without_effect() -> None:
    made = request(stop="x", top_k=3, temperature=1, store=False, seed=4, user=None, more={})
    known, others = parameters(made, ("stop", "top_k", "user"))
    assert (known, list(others)) == (["stop", "top_k"], ["seed", "more"])


@pytest.mark.parametrize(
    ("fields", "takes", "both", "sent", "hinted"),
    [
        ({"temperature": 0.5, "top_p": 0.5}, True, False, {"temperature": 0.5}, ["top_p"]),
        ({"temperature": 0.5, "top_p": 0.5}, True, True, {"temperature": 0.5, "top_p": 0.5}, []),
        ({"temperature": 0.5, "top_p": 0.5}, False, False, {}, ["temperature", "top_p"]),
        ({"temperature": 1.8, "top_p": 1}, True, False, {"temperature": 1.0}, []),
        ({"temperature": 1.0, "top_p": 1}, False, True, {}, []),
        ({"top_p": 1}, True, True, {"top_p": 1.0}, []),
        ({"top_p": 0.2}, True, False, {"top_p": 0.2}, []),
        ({}, True, True, {}, []),
    ],
)
def test_sampling(fields: dict[str, Any], takes: bool, both: bool, sent: dict[str, float], hinted: list[str]) -> None:
    told: list[str] = []
    assert sampling(request(**fields), told.append, takes=takes, both=both) == sent
    assert told == hinted


def test_stop_words_are_texts_that_are_not_blank() -> None:
    told: list[str] = []
    assert stop_words(request(stop="a"), "stop", told.append) == ["a"]
    assert stop_words(request(stop=["a", " ", "b"]), "stop", told.append) == ["a", "b"]
    assert told == ["stop"]
    for wrong in (5, [1], {"a": 1}):
        with pytest.raises(BadRequest) as caught:
            stop_words(request(stop=wrong), "stop", told.append)
        assert (caught.value.param, caught.value.code) == ("stop", "invalid_type")


def test_only_a_schema_is_a_form_that_a_model_can_be_held_to() -> None:
    told: list[str] = []
    said: list[str] = []
    assert schema_form(request(), said.append, told.append) is None
    assert schema_form(request(text={"verbosity": "low"}), said.append, told.append) is None
    assert schema_form(request(text={"format": {"type": "json_object"}}), said.append, told.append) is None
    assert (told, said) == (["text.verbosity"], ["Answer with one JSON object and nothing else."])
    form = schema_form(request(text={"format": FORM}), said.append, told.append)
    assert form is not None
    tool = answer_tool(form)
    assert (tool["name"], tool["description"]) == (ANSWER_TOOL, "Takes your answer. An a.")
    assert bytes(tool["input_schema"]) == b'{"type": "object"}'


def test_a_number_that_is_zero_asks_for_nothing() -> None:
    told: list[str] = []
    hint_unless_zero(request(presence_penalty=0), "presence_penalty", told.append)
    hint_unless_zero(request(presence_penalty=1), "presence_penalty", told.append)
    assert told == ["presence_penalty"]


@pytest.mark.parametrize(
    ("wanted", "plain", "with_key"), [("auto", False, True), ("always", True, True), ("never", False, False)]
)
def test_caching(wanted: PromptCache, plain: bool, with_key: bool) -> None:
    assert caches(request(), wanted) is plain
    assert caches(request(prompt_cache_key="k"), wanted) is with_key
