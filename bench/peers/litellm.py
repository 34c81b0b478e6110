"""LiteLLM's proxy: installed into an environment of its own, and given one upstream as its documentation says.

`python -m bench.peers.litellm` installs it (some 700 MB) below `.bench`, from the package registry that pip is set to.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from ..processes import ROOT

HOME = ROOT / ".bench" / "litellm"
REQUIREMENT = "litellm[proxy]>=1.100,<2"
PROGRAM = HOME / "bin" / "litellm"
KEY = "sk-bench-0f3a5c7e9b1d2f4a6c8e0b3d5f7a9c1e"
"""What its clients say who they are: it does not start without a master key."""

ENVIRONMENT = {
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch the list from the internet
    "NO_DOCS": "True",
}


def is_installed() -> bool:
    """Tells whether it can be run."""
    return PROGRAM.exists()


def command(url: str, port: int, directory: Path) -> tuple[str, ...]:
    """Returns what serves every model of the upstream at `url` on a port; its file goes to `directory`.

    `use_chat_completions_api` has it translate between Responses and chat completions, as Penstock does.
    """
    path = directory / "litellm.yaml"
    path.write_text(
        f"""
model_list:
  - model_name: "*"
    litellm_params:
      model: hosted_vllm/*
      api_base: {url}
      api_key: none
      use_chat_completions_api: true
litellm_settings:
  set_verbose: false
  telemetry: false
general_settings:
  master_key: {KEY}
"""
    )
    return str(PROGRAM), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)


def install() -> None:
    """Installs it; raises CalledProcessError when pip fails."""
    venv.create(HOME, with_pip=True)
    subprocess.run([HOME / "bin" / "python", "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)


def version() -> str:
    """Returns the version that is installed; raises CalledProcessError where it is broken."""
    show = "import importlib.metadata; print(importlib.metadata.version('litellm'))"
    done = subprocess.run([HOME / "bin" / "python", "-c", show], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """Installs it where it is not, and says its version."""
    if not is_installed():
        install()
    print("LiteLLM", version())
    return 0


if __name__ == "__main__":
    sys.exit(main())
