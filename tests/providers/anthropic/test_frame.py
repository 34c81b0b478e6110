from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.anthropic.frame import TextFrame
from tests.support.bad_streams import budget
from tests.support.messages import decode

HEAD = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
NAMED = b"event: content_block_delta\n" + HEAD


def learned(head: bytes = NAMED, index: int = 0) -> TextFrame:
    frame = TextFrame()
    frame.learn(head + b'"a"}}\n\n', index)
    return frame


@pytest.mark.parametrize("head", [NAMED, HEAD])
@pytest.mark.parametrize("tail", [b"}}\n\n", b"}    }\n\n", b"}}   \n\n", b"} }  \n\n"])
def test_another_piece_is_known(head: bytes, tail: bytes) -> None:
    frame = learned(head)
    assert frame.text(head + '"é \\" 那"'.encode() + tail) == 'é " 那'
    assert frame.chars == 5


@pytest.mark.parametrize(
    "read",
    [
        b"",
        NAMED,
        NAMED + b'"a"}}',
        NAMED + b'"a"}}\n',
        NAMED + b'"a"}}\n\n\n',
        NAMED + b'"a","x":"b"}}\n\n',
        NAMED + b'"a"},"x":1}\n\n',
        NAMED + b'"\\ud83d"}}\n\n',
        NAMED + b'"a\n"}}\n\n',
        NAMED + b'"a"}}\n\n' + NAMED + b'"b"}}\n\n',
        NAMED.replace(b":0,", b":1,") + b'"a"}}\n\n',
        NAMED.replace(b"text_delta", b"thinking_delta") + b'"a"}}\n\n',
        HEAD + b'"a"}}\n\n',
        NAMED + b'""}}\n\n',
        NAMED + b"5}}\n\n",
        NAMED + b"null}}\n\n",
        NAMED + b'"\xff"}}\n\n',
    ],
)
def test_everything_else_is_not(read: bytes) -> None:
    frame = learned()
    assert frame.text(read) == ""
    assert frame.chars == 0


def test_nothing_is_known_before_it_was_learned_or_after_it_was_forgotten() -> None:
    assert TextFrame().text(NAMED + b'"a"}}\n\n') == ""
    frame = learned()
    frame.prefix = None
    assert frame.text(NAMED + b'"a"}}\n\n') == ""


@pytest.mark.parametrize(
    "read", [HEAD.replace(b":", b": ") + b'"a"}}\n\n', NAMED + b'"a"}}\n', b": ping\n\n" + NAMED + b'"a"}}\n\n']
)
def test_other_spellings_are_not_learned(read: bytes) -> None:
    frame = TextFrame()
    frame.learn(read, 0)
    assert frame.prefix is None


def test_the_block_must_be_the_same() -> None:
    frame = TextFrame()
    frame.learn(NAMED + b'"a"}}\n\n', 1)
    assert frame.prefix is None


@budget(80)
@given(text=st.text(), blanks=st.integers(0, 9), junk=st.binary(max_size=6))
def test_what_is_known_is_what_would_have_been_read(text: str, blanks: int, junk: bytes) -> None:
    for read in (
        NAMED + json.dumps(text).encode() + b"}" + b" " * blanks + b"}\n\n",
        NAMED + b'"' + junk + b'"}}\n\n',
        NAMED + b'"a' + junk + b"}}\n\n",
    ):
        known = learned().text(read)
        if known:
            said = [event for event in decode(read) if hasattr(event, "text")]
            assert [event.text for event in said] == [known]  # type: ignore[attr-defined]
