"""Remarks, and how they are written."""

from __future__ import annotations

from proxy.litellm.notes import Note, Notes, mapping_of, shown_path


def test_remarks_say_where_and_are_made_once() -> None:
    notes = Notes()
    for _ in range(2):
        notes.lost(("a", 0, "b"), "what", "do")
    notes.unknown(("a",), ["b", "api_bse"], ["b", "api_base"])
    assert mapping_of([], ("c",), notes) == mapping_of(None, ("d",), notes) == {}
    assert [str(note) for note in notes.all] == [
        "a[0].b: what (do)",
        'a.api_bse: unknown option (did you mean "api_base"?)',
        "c: expected a mapping (write key: value)",
    ]
    assert notes.of("mistake") == [Note("mistake", ("c",), "expected a mapping", "write key: value")]
    assert shown_path(("model_list", 3)) == "model_list[3]"
