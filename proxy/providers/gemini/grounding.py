"""Turns what an answer rests on, by Google's search or from memory, into annotations of the Responses API.

Pages that Google has opened for it become items, as those are that OpenAI opens.

The API says where a source belongs by offsets in bytes; together with them it says the text, which is believed first.
Annotations count characters of the whole text.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import Raw, given
from ..chat.surrogates import load
from .chunk import fitted

_OPENED = "URL_RETRIEVAL_STATUS_SUCCESS"
_MAX_CITED = 1000
"""How many places of an answer are looked for; what is beyond is nobody's citation."""


class _Source(msgspec.Struct, gc=False):
    """A page, by its address."""

    uri: str | None = None
    title: str | None = None


class _GroundingChunk(msgspec.Struct, gc=False, rename="camel"):
    """Something that was found: on the web, or in a store of documents or of places."""

    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None


class _Segment(msgspec.Struct, gc=False, rename="camel"):
    """A stretch of the answer, in bytes of UTF-8, and its text."""

    start_index: int = 0
    end_index: int = 0
    text: str = ""


class _Support(msgspec.Struct, gc=False, rename="camel"):
    """A stretch of the answer, and the numbers of the chunks that it rests on."""

    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class _Grounding(msgspec.Struct, gc=False, rename="camel"):
    grounding_chunks: list[_GroundingChunk] | None = None
    grounding_supports: list[_Support] | None = None
    web_search_queries: list[str] | None = None


class _Citation(msgspec.Struct, gc=False, rename="camel"):
    """A stretch of the answer that stands elsewhere too."""

    start_index: int = 0
    end_index: int = 0
    uri: str | None = None
    title: str | None = None


class _Citations(msgspec.Struct, gc=False, rename="camel"):
    """Under the name of the Gemini API, or that of Vertex AI."""

    citation_sources: list[_Citation] | None = None
    citations: list[_Citation] | None = None


class _Page(msgspec.Struct, gc=False, rename="camel"):
    """A page that was opened, or should have been."""

    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class _Pages(msgspec.Struct, gc=False, rename="camel"):
    url_metadata: list[_Page] | None = None


def page_items(raw: Raw) -> list[dict[str, Any]]:
    """Returns the items for the pages that were opened for an answer."""
    value = load(bytes(raw)) if given(raw) else None
    pages = fitted(value, _Pages).url_metadata if isinstance(value, dict) else None
    return [
        {
            "type": "web_search_call",
            "status": "completed" if (page.url_retrieval_status or _OPENED) == _OPENED else "failed",
            "action": {"type": "open_page", "url": page.retrieved_url},
        }
        for page in (pages or ())[:_MAX_CITED]
        if page.retrieved_url
    ]


def grounding_annotations(raw: Raw, text: str) -> list[dict[str, Any]]:
    """Returns the citations that the grounding metadata of an answer of that text holds."""
    value = load(bytes(raw)) if given(raw) else None
    if not isinstance(value, dict):
        return []
    grounding = fitted(value, _Grounding)
    chunks = grounding.grounding_chunks or []
    encoded = text.encode()
    made: list[dict[str, Any]] = []
    for support in (grounding.grounding_supports or ())[:_MAX_CITED]:
        place = _place(support.segment, text, encoded)
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(chunks) and (source := _source(chunks[index])) is not None:
                made.append(_annotation(source.uri, source.title, place))
    if not made:
        sources = [source for chunk in chunks if (source := _source(chunk)) is not None]
        made = [_annotation(source.uri, source.title, (0, 0)) for source in sources]
    return _unique(made)


def searches_in(raw: Raw) -> int:
    """Returns how many searches of the web the grounding metadata of an answer tells of."""
    value = load(bytes(raw)) if given(raw) else None
    return len(fitted(value, _Grounding).web_search_queries or ()) if isinstance(value, dict) else 0


def citation_annotations(raws: list[Raw], text: str) -> list[dict[str, Any]]:
    """Returns the citations that the citation metadata of the pieces of an answer hold."""
    encoded = text.encode()
    made: list[dict[str, Any]] = []
    for raw in raws:
        value = load(bytes(raw))
        if not isinstance(value, dict):
            continue
        said = fitted(value, _Citations)
        for one in (said.citation_sources or said.citations or ())[:_MAX_CITED]:
            if one.uri:
                place = _chars(encoded, one.start_index, one.end_index)
                made.append(_annotation(one.uri, one.title, place))
    return _unique(made)


def _source(chunk: _GroundingChunk) -> _Source | None:
    source = chunk.web or chunk.retrieved_context or chunk.maps
    return source if source is not None and source.uri else None


def _place(segment: _Segment | None, text: str, encoded: bytes) -> tuple[int, int]:
    """Returns where a segment begins and ends, in characters; nowhere, (0, 0), when its text is not there."""
    if segment is None:
        return 0, 0
    start, end = _chars(encoded, segment.start_index, segment.end_index)
    if not segment.text or text[start:end] == segment.text:
        return start, end
    found = text.find(segment.text)
    return (found, found + len(segment.text)) if found >= 0 else (0, 0)


def _chars(encoded: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns offsets in characters for offsets in bytes; they never lie outside the text."""
    start = min(max(0, start), len(encoded))
    end = min(max(start, end), len(encoded))
    first = len(encoded[:start].decode(errors="ignore"))
    return first, first + len(encoded[start:end].decode(errors="ignore"))


def _annotation(uri: str | None, title: str | None, place: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url": uri,
        "title": title or uri,
        "start_index": place[0],
        "end_index": place[1],
    }


def _unique(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in annotations:
        known.setdefault((one["url"], one["start_index"], one["end_index"]), one)
    return list(known.values())
