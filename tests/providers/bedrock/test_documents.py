"""Names and formats of what is attached."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.bedrock.documents import (
    DOCUMENTS,
    IMAGES,
    Names,
    document_format,
    image_format,
    named_format,
    video_format,
)


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("report.pdf", "report"),
        ("Q3 report (final) [v2].pdf", "Q3 report (final) [v2]"),
        ("a_b.c-d.txt", "a b c-d"),
        ("  many   blanks .md", "many blanks"),
        ("Übersicht.pdf", "bersicht"),
        ("🦩.pdf", "document"),
        (".pdf", "pdf"),
        ("", "document"),
        (None, "document"),
        ("x" * 300 + ".pdf", "x" * 200),
    ],
)
def test_names(filename: str | None, name: str) -> None:
    assert Names().take(filename) == name


def test_no_two_names_are_alike() -> None:
    names = Names()
    assert [names.take(one) for one in ("a.pdf", "A.txt", "a.pdf", None, None, "x" * 300, "x" * 300)] == [
        "a", "A (2)", "a (3)", "document", "document (2)", "x" * 200, "x" * 196 + " (2)",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=250), max_size=6))
def test_every_name_is_allowed(filenames: list[str]) -> None:
    names = Names()
    made = [names.take(one) for one in filenames]
    assert len({one.lower() for one in made}) == len(made)
    for one in made:
        assert re.fullmatch(r"[A-Za-z0-9\-()\[\]]+(?: [A-Za-z0-9\-()\[\]]+)*", one)
        assert len(one) <= 200


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        (b"\x89PNG\r\n\x1a\nx", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"BM", None),
        (b"", None),
    ],
)
def test_images_are_known_by_their_bytes(raw: bytes, form: str | None) -> None:
    assert image_format(raw) == form


@pytest.mark.parametrize(
    ("raw", "media_type", "filename", "form"),
    [
        (b"%PDF-1.7", "", None, "pdf"),
        (b"%PDF-1.7", "text/plain", "x.txt", "pdf"),
        (b"a,b", "text/csv", None, "csv"),
        (b"a,b", "", "x.csv", "csv"),
        (b"# x", "text/markdown", None, "md"),
        (b"# x", "", "README.markdown", "md"),
        (b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", None, "docx"),
        (b"PK\x03\x04\xff", "application/octet-stream", "x.xlsx", "xlsx"),
        (b"{}", "application/json", "x.json", "txt"),
        (b"print()", "text/x-python", "x.py", "txt"),
        (b"print()", "", None, "txt"),
        (b"\xff\xfe", "", None, None),
        (b"PK", "application/zip", "x.zip", None),
    ],
)
def test_documents(raw: bytes, media_type: str, filename: str | None, form: str | None) -> None:
    assert document_format(raw, media_type, filename) == form


def test_formats_by_name() -> None:
    assert named_format("s3://b/a.JPG", IMAGES) == "jpeg"
    assert named_format("s3://b/a.htm", DOCUMENTS) == "html"
    assert named_format("s3://b/a", DOCUMENTS) is None
    assert video_format("video/3gpp") == "three_gp"
    assert video_format("video/unknown") is None
