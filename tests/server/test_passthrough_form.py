"""Forms: where the model is, wherever the cuts and whatever the order of the parts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.server.passthrough_form import FormFields, boundary_of

EDGE = "------edge7MA4YWxk"


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{EDGE}--\r\n".encode()


FILE = part("file", b"\r\n--not the edge\r\nmodel" * 50, '; filename="a.wav"\r\nContent-Type: audio/wav')
MODEL = part("model", b"m")
FORMS = {
    "before the file": form(MODEL, FILE),
    "behind the file": form(FILE, MODEL),
    "behind empty parts": form(part("a", b""), part("b", b""), MODEL),
    "alone": form(MODEL),
    "with a preamble": b"This is a form.\r\n" + form(FILE, MODEL),
    "without quotes": form(MODEL.replace(b'"model"', b"model")),
    "with more headers": form(MODEL.replace(b"\r\n\r\n", b"\r\ncontent-type: text/plain\r\n\r\n", 1)),
    "in small letters": form(MODEL.replace(b"Content-Disposition", b"content-disposition")),
}


TEXTS = frozenset(("prompt", "input"))


def fed(raw: bytes, *cuts: int) -> FormFields:
    """Returns a form that got the bytes in pieces, up to its end."""
    made = FormFields(EDGE.encode(), TEXTS)
    for start, end in zip((0, *cuts), (*cuts, len(raw)), strict=True):
        if not made.done:
            made.feed(raw[start:end])
    return made


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS.keys())
def test_the_model_is_found_wherever_the_network_cuts(raw: bytes) -> None:
    for cut in range(len(raw) + 1):
        made = fed(raw, cut)
        assert (made.done, made.model) == (True, "m")
        assert made.written("up/m-1", {}) == bytes(made.held).replace(b"\r\n\r\nm\r\n", b"\r\n\r\nup/m-1\r\n")


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_and_in_any_pieces(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(list(FORMS.values())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    assert fed(raw, *cuts).model == "m"


def test_bytes_one_by_one() -> None:
    for raw in FORMS.values():
        assert fed(raw, *range(1, len(raw))).model == "m"


@pytest.mark.parametrize(
    "raw",
    [
        form(FILE),
        form(),
        form(part("model", b"m", '; filename="m"')),
        form(part("other", b"model")),
        form(part("model", b"")),
        form(part("model", b"  ")),
        form(f"--{EDGE}\r\nContent-Type: text/plain\r\n\r\nm\r\n".encode()),
    ],
)
def test_a_form_without_a_model(raw: bytes) -> None:
    for cut in range(len(raw) + 1):
        made = fed(raw, cut)
        assert (made.done, made.model) == (True, None)
        made.end()
    assert fed(form(FILE)).written("", {}) == form(FILE)
    assert fed(form(FILE)).written("x", {}) == form(part("model", b"x"), FILE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no form at all",
        form(FILE)[:-10],
        MODEL[:-3],
        f"--{EDGE}".encode(),
    ],
)
def test_a_form_that_is_not_whole(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="not whole"):
        fed(raw).end()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (f"--{EDGE}\r\n".encode() + b"x" * 20_000, "no end to its head"),
        (f"--{EDGE}\r\n".encode() + b"x" * 20_000 + b"\r\n\r\n", "no end to its head"),
        (part("model", b"m" * 2000)[:-2], "too long"),
        (form(part("model", b"\xff\xfe")), "no text"),
    ],
)
def test_what_is_refused(raw: bytes, what: str) -> None:
    with pytest.raises(BadRequest, match=what):
        fed(raw)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b"', b"a b"),
        ("multipart/form-data;BOUNDARY=x;y=z", b"x"),
    ],
)
def test_what_stands_between_parts(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", 'a; boundary=""'])
def test_a_form_that_does_not_say_it(content_type: str) -> None:
    with pytest.raises(BadRequest, match="no boundary"):
        boundary_of(content_type)


def test_behind_a_large_file_full_of_what_looks_like_an_edge() -> None:
    raw = form(part("file", b"\r\n--" * 400_000, '; filename="a"'), MODEL)
    assert fed(raw, *range(65_536, len(raw), 65_536)).model == "m"


@pytest.mark.parametrize(
    "raw",
    [
        form(MODEL, MODEL),
        form(FILE, MODEL, FILE, part("a", b""), MODEL),
        form(MODEL, part("x", b"y", '; filename="f"'), MODEL.replace(b'"model"', b"model")),
    ],
)
def test_a_model_that_is_named_twice(raw: bytes) -> None:
    for cut in range(len(raw) - 40):
        with pytest.raises(BadRequest, match="twice"):
            fed(raw, cut)


@pytest.mark.parametrize("searched", [True, False])
@pytest.mark.parametrize(("late", "told"), [("model", "twice"), ("prompt", "too late"), ("user", None)])
def test_what_comes_behind_a_file_that_has_begun(late: str, told: str | None, searched: bool) -> None:
    begun = MODEL + part("file", b"x" * 300, '; filename="a"')[:-100]
    rest = b"x" * 50 + b"\r\n" + form(part(late, b"y"))
    made = fed(begun)
    assert (made.model, made.in_file, made.done) == ("m", True, False)
    refused = told is not None and (searched or late == "model")
    for cut in range(len(rest)):
        watch = made.rest(searched=searched)
        watch.feed(rest[:cut])
        if not refused:
            watch.feed(rest[cut:])
            continue
        with pytest.raises(BadRequest, match=told or ""):
            watch.feed(rest[cut:])
        if cut > 80:
            break


@pytest.mark.parametrize(
    "raw",
    [
        form(MODEL, FILE),
        form(MODEL),
        form(MODEL, part("a", b""), part("b", b"model"), FILE),
        form(MODEL, part("model", b"x", '; filename="model"')),
        form(MODEL) + MODEL,
        form(MODEL, part("f", b'\r\n--other\r\ncontent-disposition: form-data; name="model"\r\n\r\nx')),
    ],
)
def test_a_form_with_one_model_is_left_alone(raw: bytes) -> None:
    slowly, at_once = fed(raw, *range(1, len(raw))), fed(raw)
    assert (slowly.done, slowly.model, at_once.written("", {})) == (True, "m", raw)
    begun = MODEL + part("file", b"", '; filename="a"')[:-2]
    rest = raw[raw.index(b"\r\n--", len(MODEL) - 2) :].replace(MODEL, b"")
    watch = fed(begun).rest(searched=True)
    for at in range(len(rest)):
        watch.feed(rest[at : at + 1])
    assert len(watch._kept) < 200


def test_a_head_behind_a_file_that_has_no_end() -> None:
    watch = fed(MODEL + FILE[:-2]).rest(searched=False)
    with pytest.raises(BadRequest, match="no end to its head"):
        watch.feed(f"\r\n--{EDGE}\r\n".encode() + b"x" * 20_000)


PROMPT = part("prompt", "Æneas\r\nsings".encode())


def test_texts_are_found_and_others_are_put_in_their_place() -> None:
    raw = form(part("user", b"u"), PROMPT, MODEL, part("prompt", b""), FILE, part("input", b"in"))
    for cut in range(0, len(raw), 7):
        made = fed(raw, cut)
        assert [(one.name, one.text) for one in made.fields] == [
            ("prompt", "Æneas\r\nsings"),
            ("model", "m"),
            ("prompt", ""),
            ("input", "in"),
        ]
        assert made.written("up", {0: "[name] sings", 3: "ö"}) == form(
            part("user", b"u"),
            part("prompt", b"[name] sings"),
            part("model", b"up"),
            part("prompt", b""),
            FILE,
            part("input", "ö".encode()),
        )
    with pytest.raises(BadRequest, match="cannot be sent"):
        made.written("up", {0: f"a\r\n--{EDGE}b"})


@pytest.mark.parametrize("raw", [form(part("prompt", b"\xff"), MODEL), form(MODEL, FILE, part("input", b"\xe9"))])
def test_a_text_that_is_none(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="is no text"):
        fed(raw)


@pytest.mark.parametrize("edge", [f"--{EDGE}X\r\n", f"--{EDGE}\n", f"--{EDGE}-\r\n"])
def test_edges_that_are_none_to_some_servers(edge: str) -> None:
    raw = FILE[:-2] + f"\r\n{edge}".encode() + form(MODEL)
    with pytest.raises(BadRequest, match="edge of a part"):
        fed(raw)
    with pytest.raises(BadRequest, match="edge of a part"):
        fed(MODEL + FILE[:-2]).rest(searched=False).feed(raw[len(FILE) - 2 :])
