"""Who charges for an upstream: a vendor of the table, nobody (it runs on one's own machines), or who knows."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

_BY_KIND: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure-ai": "azure_ai",
    "azure-openai": "azure",
    "bedrock": "bedrock",
    "gemini": "gemini",
    "openai": "openai",
    "vertex": "vertex_ai",
}
_BY_HOST: Mapping[str, str] = {
    "aiplatform.googleapis.com": "vertex_ai",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks_ai",
    "api.groq.com": "groq",
    "api.minimax.io": "minimax",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshot",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.ai": "together_ai",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
    "api.z.ai": "zai",
    "cognitiveservices.azure.com": "azure",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "dashscope-us.aliyuncs.com": "dashscope",
    "dashscope.aliyuncs.com": "dashscope",
    "generativelanguage.googleapis.com": "gemini",
    "openai.azure.com": "azure",
    "services.ai.azure.com": "azure_ai",
}
"""By host, those of its regions and customers too (`eu.api.openai.com`, `mine.openai.azure.com`)."""

_OWN_KINDS = frozenset(("echo",))
_TELLING_HOSTS = ("openrouter.ai",)
_OWN_HOSTS = frozenset(("localhost", "host.docker.internal"))


class Seller(msgspec.Struct, frozen=True):
    """Who charges. `vendor` is the first part of names in the table; `own` says that nobody does.

    One that `tells` is not in the table, and says with each answer what it charges.
    """

    vendor: str | None = None
    own: bool = False
    tells: bool = False


def seller_of(kind: str, base_url: str | None) -> Seller:
    """Returns who charges for an upstream of a kind at a place.

    A known host says more than the kind: an upstream of OpenAI's wire may be anybody's. A server in one's own network
    is taken for one's own where neither says whose it is; the file gives prices to those that are not.
    """
    host = (urlsplit(base_url).hostname or "").lower() if base_url else ""
    vendor = _at(host) or _BY_KIND.get(kind)
    if vendor is not None:
        return Seller(vendor)
    tells = any(host == one or host.endswith(f".{one}") for one in _TELLING_HOSTS)
    return Seller(own=kind in _OWN_KINDS or _is_own(host), tells=tells)


def _at(host: str) -> str | None:
    """Returns the vendor at a host, or at a domain that it is in."""
    if host.startswith("bedrock-runtime") and host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return "bedrock"
    if host.endswith("-aiplatform.googleapis.com"):
        return "vertex_ai"
    while host:
        if host in _BY_HOST:
            return _BY_HOST[host]
        host = host.partition(".")[2]
    return None


def _is_own(host: str) -> bool:
    """Tells whether a host can only be reached from where Penstock runs: loopback, private addresses, bare names."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and (host in _OWN_HOSTS or "." not in host or host.endswith(".local"))
    return address.is_private or address.is_loopback or address.is_link_local
