"""Which file stands at a path: whoever has one open can see that it was moved, removed or replaced."""

from __future__ import annotations

from pathlib import Path


def file_identity(path: Path) -> tuple[int, int]:
    """Returns the numbers of the device and of the file, the same for one file whatever its name; zeros for none."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
