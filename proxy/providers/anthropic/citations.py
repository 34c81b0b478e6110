"""Turns the citations of a text block into annotations of the Responses API."""

from __future__ import annotations

from typing import Any


def annotation_of(citation: dict[str, Any], start: int, end: int, part_start: int) -> dict[str, Any] | None:
    """Returns the annotation for a citation of the text from `start` to `end`; None for what has no form there.

    All three places count characters of all text of the answer. A citation belongs to the whole text of its block;
    that of a document is a place in its part, which began at `part_start`.
    """
    url, title = citation.get("url"), citation.get("title")
    if isinstance(url, str) and url:
        return {
            "type": "url_citation",
            "url": url,
            "title": title if isinstance(title, str) and title else url,
            "start_index": start,
            "end_index": end,
        }
    if not isinstance(citation.get("document_index"), int):
        return None
    name, file_id = citation.get("document_title"), citation.get("file_id")
    return {
        "type": "file_citation",
        "file_id": file_id if isinstance(file_id, str) else "",
        "filename": name if isinstance(name, str) else "",
        "index": end - part_start,
    }
