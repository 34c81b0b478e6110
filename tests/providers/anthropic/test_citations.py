from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.anthropic.citations import annotation_of


def test_what_the_web_said() -> None:
    citation = {"type": "web_search_result_location", "url": "https://a", "title": "A", "cited_text": "t"}
    assert annotation_of(citation, 3, 9, 0) == {
        "type": "url_citation", "url": "https://a", "title": "A", "start_index": 3, "end_index": 9
    }  # fmt: skip


def test_an_address_stands_for_a_title_that_is_missing() -> None:
    annotation = annotation_of({"url": "https://a", "title": None}, 0, 1, 0)
    assert annotation is not None
    assert annotation["title"] == "https://a"


@pytest.mark.parametrize("kind", ["char_location", "page_location", "content_block_location"])
def test_documents_are_cited_at_a_place_of_their_part(kind: str) -> None:
    citation = {"type": kind, "document_index": 1, "document_title": "b.pdf", "file_id": "file_1"}
    assert annotation_of(citation, 20, 30, 12) == {
        "type": "file_citation", "file_id": "file_1", "filename": "b.pdf", "index": 18
    }  # fmt: skip


@pytest.mark.parametrize("citation", [{}, {"type": "other"}, {"url": 5}, {"document_index": "x"}, {"url": ""}])
def test_what_has_no_form(citation: dict[str, Any]) -> None:
    assert annotation_of(citation, 0, 1, 0) is None
