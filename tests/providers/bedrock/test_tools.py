"""`toolConfig` by itself: what is declared and how free the choice is."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.api.responses.fields import TextFormat
from proxy.api.responses.tool_map import ToolMap
from proxy.errors import BadRequest
from proxy.providers.anthropic.tools import offered
from proxy.providers.bedrock.tools import ToolConfig, Wish, tool_config
from tests.support.asked import function, request

ANSWER = TextFormat("json_schema", "a", "What was found.")


def config(choice: Any = None, hints: list[str] | None = None, **wish: Any) -> ToolConfig | None:
    """Returns what is sent for two tools, for a Claude that can be forced unless said otherwise."""
    made = request(tools=[function("f"), function("g")], tool_choice=choice)
    names = ToolMap.of(made.tools)
    offer = offered(made, names, strict=False, search=False, refuse_hosted=False, ignore=lambda _: None)
    told = [] if hints is None else hints
    return tool_config(offer, names, Wish(**{"claude": True, "may_force": True, **wish}), told.append)


def names(made: ToolConfig | None) -> list[str]:
    """Returns the names of what is declared."""
    assert made is not None
    return [one["toolSpec"]["name"] for one in made.tools]


def test_no_tools() -> None:
    made = request()
    offer = offered(made, ToolMap(), strict=False, search=False, refuse_hosted=False, ignore=lambda _: None)
    assert tool_config(offer, ToolMap(), Wish(claude=True, may_force=True), lambda _: None) is None


def test_the_answers_tool_stands_last_and_is_described() -> None:
    made = config(answer=ANSWER)
    assert names(made) == ["f", "g", "json_tool_call"]
    assert made is not None
    assert made.tools[-1]["toolSpec"]["description"] == "Takes your answer. What was found."
    assert made.choice == {"any": {}}


def test_tools_of_the_history_are_declared_again() -> None:
    made = request()
    offer = offered(made, ToolMap(), strict=False, search=False, refuse_hosted=False, ignore=lambda _: None)
    found = tool_config(offer, ToolMap(), Wish(claude=False, may_force=True, called=("old",)), lambda _: None)
    assert names(found) == ["old"]
    assert found is not None
    assert (found.calls_forbidden, found.choice, found.own_choice) == (True, None, None)


@pytest.mark.parametrize(
    ("choice", "wish", "made", "own", "hints"),
    [
        ("auto", {"may_force": False, "answer": ANSWER}, None, None, []),
        ("none", {"called": ("f",)}, None, {"type": "none"}, []),
        ("none", {"called": ("f",), "claude": False, "parallel": False}, None, None, []),
        ("auto", {"claude": False, "parallel": False}, None, None, ["parallel_tool_calls"]),
        ({"type": "function", "name": "f"}, {"answer": ANSWER}, {"tool": {"name": "f"}}, None, []),
        ("none", {"called": ("f",), "answer": ANSWER}, {"tool": {"name": "json_tool_call"}}, None, []),
    ],
)  # fmt: skip
def test_choices(choice: Any, wish: dict[str, Any], made: Any, own: Any, hints: list[str]) -> None:
    told: list[str] = []
    found = config(choice, told, **wish)
    assert found is not None
    assert (found.choice, found.own_choice, told) == (made, own, hints)


@pytest.mark.parametrize("answer", [None, ANSWER])
def test_a_choice_that_the_model_cannot_be_held_to_is_refused(answer: TextFormat | None) -> None:
    for choice in ("required", {"type": "function", "name": "f"}):
        with pytest.raises(BadRequest, match="cannot be made to call") as caught:
            config(choice, may_force=False, answer=answer)
        assert caught.value.param == "tool_choice"
