"""Finds whom each rule asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..config.types import Mistake
from ..pricing.book import PriceBook
from ..providers.provider import Deployment, Provider
from .bedrock import BedrockGuardrail
from .check import Asking, Check
from .judge import Judge
from .moderation import Moderation
from .presidio import Presidio
from .rules import GuardrailRule
from .webhook import Webhook

if TYPE_CHECKING:
    from ..providers.bedrock.provider import Bedrock

Resolve = Callable[[str], Sequence[Deployment]]
"""Returns the deployments behind a model's name."""


def asking_for(
    rules: Sequence[GuardrailRule],
    providers: Mapping[str, Provider],
    resolve: Resolve,
    prices: PriceBook | None = None,
) -> list[Asking]:
    """Returns who is asked for the rules that ask somebody; raises Mistake for one whom nobody can be asked for."""
    return [Asking(rule, _check(rule, providers, resolve, prices)) for rule in rules if rule.asks]


def _check(rule: GuardrailRule, providers: Mapping[str, Provider], resolve: Resolve, prices: PriceBook | None) -> Check:
    if rule.match == "http":
        return Webhook(rule)
    if rule.match == "pii":
        return Presidio(rule)
    if rule.match == "model":
        name = rule.model or ""
        if not resolve(name):
            raise Mistake(f'rule "{rule.name}": no upstream serves the model "{name}"', "name one of models:")
        return Judge(rule, lambda: resolve(name), prices)
    provider = providers.get(rule.upstream or "")
    if provider is None:
        raise Mistake(f'rule "{rule.name}": there is no upstream "{rule.upstream}"', "name one of upstreams:")
    if rule.match == "openai-moderation":
        if provider.forwarded("/moderations", "") is None:
            raise Mistake(f'rule "{rule.name}": upstream "{rule.upstream}" has no moderation', "name one of OpenAI's")
        return Moderation(rule, provider)
    if provider.kind != "bedrock":
        raise Mistake(f'rule "{rule.name}": upstream "{rule.upstream}" is not of kind bedrock', "name one that is")
    return BedrockGuardrail(rule, cast("Bedrock", provider))
