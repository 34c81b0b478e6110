"""`penstock audit verify` says whether a chain holds, and where it does not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy.cli import main
from proxy.logs.chain import anchor_of
from tests.logs.test_chain import write


def test_a_chain_that_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    write(path, 0, 3)
    assert main(["audit", "verify", str(path)]) == 0
    assert capsys.readouterr() == ("the chain holds: 3 rows, 0 to 2\n", "")
    assert main(["audit", "verify", *map(str, tmp_path.glob("log*"))]) == 0, "the anchor is one of them"
    assert capsys.readouterr().out == "the chain holds: 3 rows, 0 to 2\n"
    kept = tmp_path / "kept"
    anchor_of(path).rename(kept)
    assert main(["audit", "verify", str(path)]) == 0
    assert "note: without an anchor" in capsys.readouterr().err
    assert main(["audit", "verify", "--anchor", str(kept), "--json", str(path)]) == 0
    result = {"ok": True, "rows": 3, "first": 0, "last": 2, "broken": None, "notes": []}
    assert msgspec.json.decode(capsys.readouterr().out) == result


def test_one_that_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    write(path, 0, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    assert main(["audit", "verify", str(path)]) == 1
    assert capsys.readouterr().out == f"broken: {path}:2: row 1 is missing before this line: removed\n"
    assert main(["audit", "verify", "--json", str(path)]) == 1
    assert not msgspec.json.decode(capsys.readouterr().out)["ok"]


def test_with_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    write(path, 0, 2, "planted-audit-key")
    (tmp_path / "key").write_text("planted-audit-key\n")
    monkeypatch.setenv("AUDIT_KEY", "planted-audit-key")
    for source in ("env:AUDIT_KEY", f"file:{tmp_path / 'key'}"):
        assert main(["audit", "verify", "--key", source, str(path)]) == 0
    assert main(["audit", "verify", str(path)]) == 1
    told = capsys.readouterr()
    assert "row 0 was changed: it has another hash (or the key is not this one)" in told.out
    for source in ("planted-audit-key", "env:NO_SUCH_KEY", "file:/no/such/key"):
        assert main(["audit", "verify", "--key", source, str(path)]) == 2
    assert "planted" not in "".join((*told, *capsys.readouterr()))


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "log.gz"
    broken.write_bytes(b"no gzip")
    for files in ([str(tmp_path / "absent")], [str(broken)]):
        assert main(["audit", "verify", *files]) == 2
    path = tmp_path / "log"
    write(path, 0, 1)
    assert main(["audit", "verify", "--anchor", str(broken), str(path)]) == 2
    assert capsys.readouterr().out == ""
    path.write_bytes(b"")
    anchor_of(path).unlink()
    assert main(["audit", "verify", str(path)]) == 0
    assert capsys.readouterr().out == "there are no rows\n"
