from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.providers.anthropic.traits import FOREIGN, traits_of
from tests.support.fixtures import SHARED, needs_shared


def rows() -> dict[str, dict[str, Any]]:
    if SHARED is None:
        return {}
    table = json.loads((SHARED.parent / "data" / "model_prices.json").read_text())
    found = {name: row for name, row in table["models"].items() if "claude" in name}
    return found | {alias: table["models"][name] for alias, name in table["aliases"].items() if "claude" in alias}


@needs_shared
def test_there_are_claudes_in_the_table() -> None:
    assert len(rows()) > 30


@pytest.mark.parametrize("name", [name for name in rows() if name.startswith("anthropic/")])
def test_the_flags_of_the_table_of_models(name: str) -> None:
    row, traits = rows()[name], traits_of(name)
    flags = row["flags"]
    assert (traits.thinking == "adaptive") == ("adaptive_thinking" in flags)
    assert traits.always_thinks == ("thinking_always_on" in flags)
    assert traits.sampling == ("no_sampling" not in flags)
    assert traits.forced_tools == ("no_forced_tools" not in flags)
    assert traits.prefill == ("prefill" in flags)
    assert traits.system_anywhere == ("mid_system" in flags)
    assert traits.schemas == ("native_json_schema" in flags)
    assert list(traits.efforts) == row.get("efforts", [])
    assert traits.max_output == row["max_out"]


SAME = [
    ("claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"),
    ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
    ("claude-sonnet-4-20250514", "vertex_ai/claude-sonnet-4@20250514"),
    ("claude-opus-4-6", "anthropic.claude-opus-4-6-v1"),
    ("claude-3-7-sonnet-20250219", "CLAUDE-3-7-SONNET-latest"),
    ("claude-fable-5-1", "global.anthropic.claude-fable-5-1-v2:0"),
]


@pytest.mark.parametrize(("name", "other"), SAME)
def test_a_model_is_the_same_wherever_it_is_served(name: str, other: str) -> None:
    assert traits_of(name) == traits_of(other)


@pytest.mark.parametrize(
    ("name", "thinking", "limit"),
    [
        ("claude-3-opus-20240229", "none", 4096),
        ("claude-3-5-haiku-latest", "none", 8192),
        ("claude-2.1", "none", 4096),
        ("claude-instant-1.2", "none", 4096),
        ("claude-3-7-sonnet-20250219", "budget", 64000),
        ("claude-opus-4-20250514", "budget", 32000),
        ("claude-opus-4-1-20250805", "budget", 32000),
        ("claude-sonnet-4-0", "budget", 64000),
        ("claude-opus-4-5", "budget", 64000),
        ("claude-opus-4-6", "adaptive", 128000),
    ],
)
def test_how_models_think_and_how_much_they_say(name: str, thinking: str, limit: int) -> None:
    traits = traits_of(name)
    assert (traits.thinking, traits.max_output) == (thinking, limit)
    assert traits.usual_output == min(limit, 32000)


@pytest.mark.parametrize("name", ["claude-opus-7", "claude", "claude-next", "claude-nova-6-2-20280101"])
def test_what_is_not_known_is_as_the_newest(name: str) -> None:
    traits = traits_of(name)
    assert (traits.thinking, traits.always_thinks, traits.sampling, traits.prefill) == ("adaptive", True, False, False)


@pytest.mark.parametrize("name", ["deepseek-chat", "kimi-k2", ""])
def test_models_of_others(name: str) -> None:
    assert traits_of(name) is FOREIGN
    assert FOREIGN.usual_output == 4096
