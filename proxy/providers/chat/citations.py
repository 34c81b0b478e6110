"""Turns the citations of chat upstreams into annotations of the Responses API."""

from __future__ import annotations

from typing import Any


def from_annotation(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the flat form of a chat annotation `{"type": "url_citation", "url_citation": {...}}`, None for others."""
    inner = entry.get("url_citation")
    if entry.get("type") != "url_citation" or not isinstance(inner, dict) or not isinstance(inner.get("url"), str):
        return None
    return _citation(inner["url"], inner.get("title"), inner.get("start_index"), inner.get("end_index"))


def from_citations(citations: Any, results: Any) -> list[dict[str, Any]]:
    """Returns annotations for the lists that Perplexity and xAI repeat on every chunk: URLs, and titles by URL.

    They say nothing of where in the text they belong: both offsets are 0.
    """
    titles: dict[str, Any] = {}
    if isinstance(results, list):
        titles = {
            one["url"]: one.get("title") for one in results if isinstance(one, dict) and isinstance(one.get("url"), str)
        }
    urls = [url for url in citations if isinstance(url, str)] if isinstance(citations, list) else list(titles)
    return [_citation(url, titles.get(url), 0, 0) for url in urls]


def _citation(url: str, title: Any, start: Any, end: Any) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url": url,
        "title": title if isinstance(title, str) else url,
        "start_index": start if isinstance(start, int) else 0,
        "end_index": end if isinstance(end, int) else 0,
    }
