"""Clients of the `openai` SDK by the dozen, each with connections of its own: none of them reads certificates."""

from __future__ import annotations

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from .serving import Served


def fresh(served: Served) -> OpenAI:
    """Returns a client whose next request may come to any worker."""
    plain = DefaultHttpxClient(verify=False)
    return OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20, http_client=plain)


def fresh_async(served: Served) -> AsyncOpenAI:
    """Returns a client to be awaited whose next request may come to any worker."""
    plain = DefaultAsyncHttpxClient(verify=False)
    return AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20, http_client=plain)
