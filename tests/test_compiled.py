"""The compiled form stands in the place of the one in Python, and says the same, to the byte."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from proxy import compiled
from proxy.compiled import PURE, is_built, is_compiled
from proxy.shortcut import Shortcut
from tests.support.fixtures import ROOT, needs_shared, recording, recordings
from tests.support.forms import CLASSES, Form
from tests.support.machines import translate, translate_whole
from tests.test_shortcut import Answer, reads

STREAMS = [row["path"] for row in recordings("openai-chat-completions-stream")]
BODIES = [row["path"] for row in recordings("openai-chat-completions-json")]
HOT = ("tests/test_shortcut.py", "tests/upstream/test_http1_shortcut.py", "tests/server/test_stream.py")
TOLD = "import json, tests.test_compiled as said; print(json.dumps([said.is_compiled(), said.digests()]))"
needs_compiled = pytest.mark.skipif(
    not is_compiled(), reason="not compiled here: there is no C compiler, or PENSTOCK_PURE=1"
)


def digests() -> dict[str, str]:
    """Returns digests of what clients get for every recording: as it came, in small pieces, and not streamed."""
    said = {f"{path}, cut": translate(recording(path), range(61, len(recording(path)), 61)) for path in STREAMS}
    said |= {path: translate(recording(path)) for path in STREAMS}
    said |= {path: json.dumps(translate_whole(recording(path))).encode() for path in BODIES}
    return {path: hashlib.sha256(text).hexdigest() for path, text in said.items()}


def purely(*arguments: str) -> str:
    """Returns what Python says without the compiled form."""
    environment = {**os.environ, "PENSTOCK_PURE": "1", "PYTHONPATH": str(ROOT)}
    command = (sys.executable, *arguments)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True).stdout


def test_which_form_runs_is_known() -> None:
    assert is_compiled() == (Shortcut is not PURE["Shortcut"])
    assert is_compiled() == (Shortcut.__module__ == "proxy.native")


def test_where_there_is_a_compiler_it_is_used() -> None:
    built = any((ROOT / "proxy").glob("native.*.so"))
    could = shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()
    if os.environ.get("PENSTOCK_PURE") == "1" or not (built or (os.environ.get("CI") and could)):
        pytest.skip("PENSTOCK_PURE=1, or nothing to compile it with")
    assert is_compiled(), "proxy/native.pyx has changed since it was built: make install"


def test_it_is_left_alone_where_that_is_asked_for() -> None:
    assert "compiled" not in purely("-m", "proxy.cli", "--version")


def test_what_was_built_of_another_source_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PENSTOCK_PURE", raising=False)
    (tmp_path / "native.pyx").write_text("# another\n")
    monkeypatch.setattr(compiled, "_FOLDER", tmp_path)
    assert compiled._load.__wrapped__() is None
    assert ("install Penstock again" in caplog.text) == is_built()


@needs_compiled
def test_both_forms_have_the_same_names() -> None:
    form = Form("compiled")
    assert {one.__name__ for one in CLASSES} == set(PURE)
    for name, pure in PURE.items():
        public = {one for one in dir(pure) if not one.startswith("_")}
        assert public == {one for one in dir(getattr(form, name)) if not one.startswith("_")}, name
        assert getattr(form, name) is not pure


@needs_compiled
@pytest.mark.parametrize("around", [(b"a", b"b", b"c\r\n", 2), (b"a", b"b", None, 3), (b"a", b"b", b"c\r\n", 2**63)])
def test_what_stands_around_a_delta_is_measured_before_it_is_copied(around: tuple[object, ...]) -> None:
    form = Form("compiled")
    flow = form.Flow(form.Numbers(), None)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        flow.open("part", str, (), around)
    assert (flow.what, flow.piece("a")) == (None, b"")
    flow.open("part", str, (), (b"a", b"b", b"c\r\n", 3))
    assert flow.piece("") == b'6\r\na0b""c\r\n'


@needs_compiled
def test_none_is_no_read() -> None:
    form = Form("compiled")
    receiver = form.Receiver()
    receiver.between = True
    receiver.shortcut = form.Shortcut.__new__(form.Shortcut)
    with pytest.raises(TypeError):
        receiver.data_received(None)


@needs_shared
@needs_compiled
def test_both_forms_say_the_same_of_every_recording() -> None:
    runs_compiled, said = json.loads(purely("-c", TOLD))
    assert not runs_compiled
    assert said == digests()


@needs_compiled
def test_the_form_in_python_passes_the_same_tests() -> None:
    said = purely("-m", "pytest", "-p", "no:xdist", *HOT)
    assert " passed" in said
    assert "failed" not in said


@needs_compiled
@pytest.mark.parametrize("seed", range(4))
async def test_both_forms_take_the_same_reads(seed: int) -> None:
    """What is taken, and what is not, is the same whatever the chunks are made of."""
    chance = random.Random(seed)
    answers = [Answer("responses", [], short=True), Answer("responses", [], short=True)]
    pure = PURE["Shortcut"](answers[1].exchange, answers[1].side, answers[1].translation, answers[1].ends)
    answers[1].shortcut = pure
    story = reads()[:-2]
    for _ in range(400):
        read = chance.choice(story)
        if chance.random() < 0.1:
            at = chance.randrange(len(read))
            read = read[:at] + bytes([chance.randrange(256)]) + read[at + 1 :]
        for answer in answers:
            answer.take(read)
        assert answers[0].client.body == answers[1].client.body, read
        assert answers[0].taken == answers[1].taken, read
    assert answers[0].taken > 20
