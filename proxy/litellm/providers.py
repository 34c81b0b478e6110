"""Whose model a name of LiteLLM's is, and what is asked of it: the prefixes of its providers."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from ..patterns import stands_for
from ..providers import vendors
from ..providers.vendors import COMPATIBLE, Vendor

_OPENAI = next(vendor for vendor in vendors.VENDORS if vendor.prefix == "openai")
_APIS = {
    ("bedrock", "converse"): "converse",
    ("bedrock", "invoke"): "invoke",
    ("openai", "responses"): "responses",
    ("azure", "responses"): "responses",
    ("openai", "chat"): "chat",
    ("azure", "chat"): "chat",
}
"""What stands between prefix and model, where it says over which API the model is asked."""
_SERIES = (("azure", "o_series"), ("azure", "gpt5_series"), ("bedrock", "converse_like"))
"""What stands there and says nothing that is not known here."""
_COMPATIBLE = frozenset(
    (
        "aiohttp_openai", "databricks", "docker_model_runner", "huggingface", "litellm_proxy", "llamafile",
        "openai_like", "xinference",
    )
)  # fmt: skip
"""Prefixes of servers that speak chat completions wherever api_base says that they are."""
_OF_OPENAI = ("text-embedding-*", "text-moderation-*", "omni-moderation-*", "dall-e-*", "whisper-*", "tts-*")
"""Names without a prefix of models that are not asked for text."""


class Target(msgspec.Struct, frozen=True):
    """A vendor, what it calls the model, and the API that the name asks for, if it does."""

    vendor: Vendor
    model: str
    api: str | None = None


def target_of(name: str, provider: str | None, url: str | None) -> Target | None:
    """Returns whose model a name is, with `custom_llm_provider` and `api_base` where they are said; None if unknown.

    OpenAI's prefix in front of another server's address means one that speaks chat completions, like OpenAI's own.
    """
    prefix, slash, rest = name.partition("/")
    if provider is not None:
        prefix, rest = provider, name.removeprefix(f"{provider}/")
    elif not slash:
        prefix, rest = "", name
    if prefix in _COMPATIBLE:
        return Target(COMPATIBLE, rest) if url is not None else None
    vendor = vendors.of_prefix(prefix) if prefix else None
    if vendor is None:
        return None if provider is not None else _unprefixed(name, url)
    if prefix == "openai" and url is not None and not _is_openai(url):
        vendor = COMPATIBLE
    way, _, model = rest.partition("/")
    if model and (prefix, way) in _APIS:
        return Target(vendor, model, _APIS[prefix, way])
    if model and (prefix, way) in _SERIES:
        return Target(vendor, model)
    return Target(vendor, rest) if rest else None


def _unprefixed(name: str, url: str | None) -> Target | None:
    if url is not None and not _is_openai(url):
        return Target(COMPATIBLE, name)
    if any(stands_for(pattern, name) for pattern in _OF_OPENAI):
        return Target(_OPENAI, name)
    found = vendors.of_model(name)
    return None if found is None else Target(*found)


def _is_openai(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def prefixes() -> list[str]:
    """Returns the prefixes that are served."""
    return sorted({*(vendor.prefix for vendor in vendors.VENDORS), *_COMPATIBLE})
