"""Citations of chat upstreams as annotations of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.chat.citations import from_annotation, from_citations


def annotation(url: str, title: str, start: int = 0, end: int = 0) -> dict[str, Any]:
    """Returns the flat form."""
    return {"type": "url_citation", "url": url, "title": title, "start_index": start, "end_index": end}


def test_the_nested_form_becomes_flat() -> None:
    inner = {"url": "https://a", "title": "A", "start_index": 3, "end_index": 9, "content": "what it says"}
    assert from_annotation({"type": "url_citation", "url_citation": inner}) == annotation("https://a", "A", 3, 9)


def test_what_is_missing_is_filled_in() -> None:
    odd = {"url": "https://a", "title": None, "start_index": "3"}
    assert from_annotation({"type": "url_citation", "url_citation": odd}) == annotation("https://a", "https://a")


@pytest.mark.parametrize(
    "entry",
    [{}, {"type": "file"}, {"type": "url_citation"}, {"type": "url_citation", "url_citation": {"url": 1}}],
)
def test_other_annotations_are_left_out(entry: dict[str, Any]) -> None:
    assert from_annotation(entry) is None


def test_lists_of_addresses_have_no_place_in_the_text() -> None:
    results = [{"url": "https://b", "title": "B"}, {"url": 1}, "x"]
    assert from_citations(["https://a", 5, "https://b"], results) == [
        annotation("https://a", "https://a"),
        annotation("https://b", "B"),
    ]


def test_search_results_alone_are_citations() -> None:
    assert from_citations(None, [{"url": "https://b", "title": "B"}]) == [annotation("https://b", "B")]
    assert from_citations("x", {}) == []
