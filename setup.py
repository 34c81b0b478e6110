"""Builds the compiled form of the classes that every delta or request goes through. The rest is in pyproject.toml.

It takes a C compiler and Python's headers. Where they are missing Penstock is installed without it, and does the same:
`proxy/compiled.py` says how. `PENSTOCK_PURE=1` installs it without, too.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from setuptools import Extension, setup

SOURCE = "proxy/native.pyx"


def extensions() -> list[Extension]:
    """Returns what is to be compiled. That it cannot be compiled ends nothing."""
    if os.environ.get("PENSTOCK_PURE") == "1":
        return []
    from Cython.Build import cythonize

    sources = sorted((Path(__file__).parent / SOURCE).parent.glob("native*.px[iy]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    native = Extension(
        "proxy.native",
        [SOURCE],
        define_macros=[("PENSTOCK_SOURCE", f'"{digest}"')],
        extra_compile_args=["-O3", "-g0"],
    )
    (native,) = cythonize([native], build_dir="build", quiet=True)
    native.optional = True
    return [native]


setup(ext_modules=extensions())
