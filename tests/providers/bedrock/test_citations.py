"""Converse's citations in the form that content blocks take."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.bedrock.citations import messages_citation


@pytest.mark.parametrize(
    ("citation", "made"),
    [
        (
            {"title": "T", "location": {"web": {"url": "https://a.example/"}}},
            {"url": "https://a.example/", "title": "T"},
        ),
        (
            {"title": "facts", "location": {"documentChar": {"documentIndex": 2, "start": 0, "end": 9}}},
            {"document_index": 2, "document_title": "facts"},
        ),
        ({"location": {"documentPage": {"documentIndex": 0}}}, {"document_index": 0, "document_title": None}),
        ({"location": {"documentChunk": {"documentIndex": 1}}}, {"document_index": 1, "document_title": None}),
        (
            {"title": "T", "source": "https://b.example/", "location": {"searchResultLocation": {"start": 0}}},
            {"url": "https://b.example/", "title": "T"},
        ),
        ({"title": "T", "source": "https://b.example/", "location": {"web": {"domain": "b"}}}, {}),
        ({"title": "T"}, {}),
        ({"location": {"somewhere": {}}}, {}),
        ({"location": "here"}, {}),
    ],
)
def test_places(citation: dict[str, Any], made: dict[str, Any]) -> None:
    assert messages_citation(citation) == made
