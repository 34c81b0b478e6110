"""How much a model is to think, how long its answer may be, and how freely it is drawn."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.anthropic.tools import Offered
from proxy.providers.bedrock.config import BedrockProfile
from proxy.providers.bedrock.draft import Draft, Target
from proxy.providers.bedrock.families import family_of
from proxy.providers.bedrock.inference import put_limit, put_sampling, put_thinking
from proxy.providers.bedrock.messages import Conversation
from tests.support.asked import request
from tests.support.bedrock_asked import GPT_OSS, NOVA, OPUS, SONNET

SAID: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "hi"}]}]


def drafted(model: str, **fields: Any) -> tuple[Draft, bool, list[str]]:
    """Returns a request behind all three, whether the model thinks, and what was told to be without effect."""
    told: list[str] = []
    target = Target(model=model, family=family_of(model), profile=BedrockProfile())
    draft = Draft(request(**fields), target, Conversation([], SAID), told.append)
    thinks = put_thinking(draft, Offered(tools=[], choice=None))
    put_limit(draft)
    put_sampling(draft, thinks=thinks)
    return draft, thinks, told


@pytest.mark.parametrize(
    ("model", "fields", "inference", "extra", "told"),
    [
        (SONNET, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, {}, ["top_p"]),
        (
            SONNET,
            {"temperature": 0.5, "reasoning": {"effort": "low"}, "max_output_tokens": 3000},
            {"maxTokens": 4024},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            ["temperature"],
        ),
        (
            OPUS,
            {"reasoning": {"effort": "high"}},
            {},
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}},
            [],
        ),
        (NOVA, {"temperature": 0.5, "top_p": 0.5, "max_output_tokens": 9},
         {"maxTokens": 9, "temperature": 0.5, "topP": 0.5}, {}, []),
        (NOVA, {"reasoning": {"effort": "high"}, "max_output_tokens": 9, "temperature": 0.5}, {},
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, ["max_output_tokens", "temperature"]),
        (GPT_OSS, {"reasoning": {"effort": "low", "mode": "pro"}}, {}, {"reasoning_effort": "low"}, ["reasoning.mode"]),
    ],
)  # fmt: skip
def test_what_is_sent(
    model: str, fields: dict[str, Any], inference: dict[str, Any], extra: dict[str, Any], told: list[str]
) -> None:
    draft, thinks, hinted = drafted(model, **fields)
    assert (draft.inference, draft.extra, hinted) == (inference, extra, told)
    assert thinks is ("thinking" in extra)
