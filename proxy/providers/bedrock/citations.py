"""Turns Converse's citations into those of the Messages API, whose form the content blocks take."""

from __future__ import annotations

from typing import Any

_IN_DOCUMENTS = ("documentChar", "documentPage", "documentChunk")


def messages_citation(citation: dict[str, Any]) -> dict[str, Any]:
    """Returns a citation of an address, or of a document by its index; empty for any other place."""
    title = citation.get("title")
    location = citation.get("location")
    place = location if isinstance(location, dict) else {}
    web = place.get("web")
    url = web.get("url") if isinstance(web, dict) else None
    if url is None and "searchResultLocation" in place:
        url = citation.get("source")
    if isinstance(url, str) and url:
        return {"url": url, "title": title}
    for name in _IN_DOCUMENTS:
        inner = place.get(name)
        if isinstance(inner, dict):
            return {"document_index": inner.get("documentIndex"), "document_title": title}
    return {}
