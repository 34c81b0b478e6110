"""The compiled form says what the pure one says, to the byte; and what is compiled is what can be."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys

import pytest

from proxy.chunks import frame
from proxy.compiled import is_compiled
from tests.support.fixtures import ROOT, needs_shared, recording, recordings
from tests.support.machines import translate, translate_whole

BUILT = ROOT / "build" / "compiled" / "penstock"
STREAMS = [row["path"] for row in recordings("openai-chat-completions-stream")]
BODIES = [row["path"] for row in recordings("openai-chat-completions-json")]
TOLD = "import json, tests.test_compiled as said; print(json.dumps([said.is_compiled(), said.digests()]))"


def listed() -> list[str]:
    """Returns the modules that `setup.py` compiles, without running it."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED":
            paths: list[str] = list(ast.literal_eval(node.value))
            return paths
    raise AssertionError("setup.py lists nothing")


def digests() -> dict[str, str]:
    """Returns digests of what clients get for every recording: as it came, in small pieces, and not streamed."""
    said = {f"{path}, cut": translate(recording(path), range(61, len(recording(path)), 61)) for path in STREAMS}
    said |= {path: translate(recording(path)) for path in STREAMS}
    said |= {path: json.dumps(translate_whole(recording(path))).encode() for path in BODIES}
    return {path: hashlib.sha256(text).hexdigest() for path, text in said.items()}


def test_which_form_runs_is_known() -> None:
    assert is_compiled() != hasattr(frame, "__code__")


@pytest.mark.parametrize("path", listed())
def test_what_is_compiled_says_nothing_behind_the_bases_of_a_class(path: str) -> None:
    classes = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.ClassDef)]
    assert [one.name for one in classes if one.keywords] == []
    assert [one.name for one in classes for base in one.bases if ast.unparse(base).endswith("Struct")] == []


@needs_shared
def test_both_forms_say_the_same_of_every_recording() -> None:
    if not any(BUILT.glob("*.so")):
        pytest.skip("not compiled: make compiled")
    if any((BUILT / path).read_bytes() != (ROOT / path).read_bytes() for path in listed()):
        pytest.skip("compiled from other sources than these: make compiled")
    environment = {**os.environ, "PYTHONPATH": str(BUILT)}
    run = subprocess.run([sys.executable, "-c", TOLD], cwd=BUILT, env=environment, capture_output=True, check=True)
    compiled, said = json.loads(run.stdout)
    assert compiled
    assert said == digests()
