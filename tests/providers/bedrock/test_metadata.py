"""What of the client's metadata Bedrock takes."""

from __future__ import annotations

from proxy.providers.bedrock.metadata import request_metadata


def test_pairs_of_other_characters_are_left_out() -> None:
    said = {"team": "a b", "tool": "x{y}", "": "a", "né": "a", "long": "a" * 257, "count": 3, "most": "a" * 256}
    assert request_metadata(said) == {"team": "a b", "most": "a" * 256}


def test_there_is_room_for_sixteen() -> None:
    said = {f"k{number}": "v" for number in range(20)}
    assert list(request_metadata(said)) == list(said)[:16]
