from __future__ import annotations

import subprocess
import sys

import pytest

from proxy.deferred import Deferred

LARGE = "import sys, proxy.worker, stages; sys.exit(' '.join({'cryptography'} & set(sys.modules)) or 0)"


def test_it_stands_for_the_module() -> None:
    module = Deferred("json.decoder")
    assert module.JSONDecodeError is __import__("json").JSONDecodeError
    with pytest.raises(AttributeError):
        _ = module.nothing


def test_a_module_is_not_loaded_before_it_is_used() -> None:
    module = Deferred("there.is.none")
    with pytest.raises(ModuleNotFoundError):
        _ = module.anything


def test_a_worker_does_not_load_what_most_never_need() -> None:
    subprocess.run([sys.executable, "-c", LARGE], check=True, timeout=60)
