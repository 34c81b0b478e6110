"""URLs taken apart."""

from __future__ import annotations

import pytest

from proxy.upstream.address import Origin, parse_url


@pytest.mark.parametrize(
    ("url", "origin", "path", "host"),
    [
        ("http://a", Origin("http", "a", 80), "/", "a"),
        ("https://A.example/v1/x?k=v#part", Origin("https", "a.example", 443), "/v1/x?k=v", "a.example"),
        ("http://a:8000/v1", Origin("http", "a", 8000), "/v1", "a:8000"),
        ("https://a:443/", Origin("https", "a", 443), "/", "a"),
        ("https://a:80/", Origin("https", "a", 80), "/", "a:80"),
        ("http://[::1]:11434/v1", Origin("http", "::1", 11434), "/v1", "[::1]:11434"),
        ("http://[::1]/", Origin("http", "::1", 80), "/", "[::1]"),
        ("http://münchen.example/ö b?q=ü", Origin("http", "xn--mnchen-3ya.example", 80), "/%C3%B6%20b?q=%C3%BC", None),
        ("http://a/x%2Fy%20z", Origin("http", "a", 80), "/x%2Fy%20z", "a"),
        ("http://a?x=1", Origin("http", "a", 80), "/?x=1", "a"),
    ],
)
def test_the_parts_of_a_url(url: str, origin: Origin, path: str, host: str | None) -> None:
    target = parse_url(url)
    assert (target.origin, target.path) == (origin, path)
    assert target.host == (host or origin.host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a/b",
        "ftp://a/",
        "http://",
        "http:///x",
        "http://a:port/",
        "http://a:99999/",
        "http://u:secret@a/",
        "http://u@a",
    ],
)
def test_what_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="an upstream's URL") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_no_line_break_gets_into_the_request_line() -> None:
    target = parse_url("http://a/x\r\nhost: b\r\n\r\n y\x00\x7f")
    assert not set("\r\n \0\x7f") & set(target.path + target.host)


def test_the_peer_is_host_and_port() -> None:
    assert Origin("http", "::1", 80).peer == "[::1]:80"
    assert Origin("https", "a.example", 8443).peer == "a.example:8443"
