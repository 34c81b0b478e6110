import pytest

from proxy.api.raw import ABSENT, Raw, given


@pytest.mark.parametrize("raw", [None, ABSENT, Raw(b""), Raw(b"null")])
def test_null_and_nothing_are_not_given(raw):
    assert not given(raw)


@pytest.mark.parametrize("text", [b"0", b"false", b'""', b"[]", b"{}", b'"null"'])
def test_everything_else_is_given(text):
    assert given(Raw(text))
