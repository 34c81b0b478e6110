"""Whom each rule asks, and what is wrong when there is nobody."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.types import Mistake
from proxy.errors import ConfigError
from proxy.guardrails.bedrock import BedrockGuardrail
from proxy.guardrails.checks import asking_for
from proxy.guardrails.judge import Judge
from proxy.guardrails.moderation import Moderation
from proxy.guardrails.webhook import Webhook
from proxy.models import ModelTable
from proxy.providers.bedrock.config import BedrockConfig
from proxy.providers.bedrock.provider import Bedrock
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.provider import Deployment
from tests.support.guarding import guard, rule

HOOK = {"match": "http", "url": "http://127.0.0.1:9/"}
MODERATION = {"match": "openai-moderation", "upstream": "o"}
JUDGE = {"match": "model", "model": "judge"}
GUARDRAIL = {"match": "bedrock-guardrail", "upstream": "b", "guardrail": "g"}


async def test_each_kind_asks_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k")
    openai = OpenAICompatible("o", OpenAICompatibleConfig(base_url="http://127.0.0.1:9/v1"))
    upstreams = {"o": openai, "b": Bedrock("b", BedrockConfig(region="us-east-1"))}
    table = ModelTable({"judge": [Deployment(openai, "m")]})
    rules = [rule(**fields) for fields in (HOOK, MODERATION, JUDGE, GUARDRAIL, {"words": ["x"]})]
    askings = asking_for(rules, upstreams, table.resolve)
    assert [type(one._check) for one in askings] == [Webhook, Moderation, Judge, BedrockGuardrail]
    with pytest.raises(Mistake, match="has no moderation"):
        asking_for([rule(**{**MODERATION, "upstream": "b"})], upstreams, table.resolve)
    with pytest.raises(Mistake, match="not of kind bedrock"):
        asking_for([rule(**{**GUARDRAIL, "upstream": "o"})], upstreams, table.resolve)


@pytest.mark.parametrize(
    ("fields", "what"), [(MODERATION, 'no upstream "o"'), (JUDGE, 'serves the model "judge"'), (GUARDRAIL, "upstream")]
)
async def test_nobody_to_ask_stops_the_start(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        await guard(fields)
