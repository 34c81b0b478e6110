"""Which file is at a path."""

from __future__ import annotations

from pathlib import Path

from proxy.file_identity import file_identity


def test_a_file_stays_the_same_under_another_name_and_another_one_is_another(tmp_path: Path) -> None:
    path, moved = tmp_path / "a", tmp_path / "b"
    assert file_identity(path) == (0, 0)
    path.write_text("one")
    first = file_identity(path)
    path.rename(moved)
    path.write_text("two")
    assert file_identity(moved) == first
    assert file_identity(path) not in (first, (0, 0))
    assert file_identity(path / "below a file") == (0, 0)
