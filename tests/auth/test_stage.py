"""The engine tells the stage where the key store is."""

from __future__ import annotations

from pathlib import Path

from proxy.assembly import assemble
from proxy.auth.stage import KeyStage
from proxy.config.loader import load

FILE = """\
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
stores: {responses: {kind: memory}, keys: {kind: sqlite, path: sub/keys.db}}
pipeline: [{auth: {keys: store}}, route, stream-translate]
"""


async def test_the_store_is_where_the_file_says(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "pipeline.yaml").write_text(FILE)
    pipeline = assemble(load(tmp_path / "pipeline.yaml"))
    (stage,) = [one for one in pipeline.stages if isinstance(one, KeyStage)]
    assert (stage.key_store, stage.stored) == (tmp_path / "sub" / "keys.db", None)
    await pipeline.start()
    assert stage.stored is not None
    assert stage.stored.path == stage.key_store
    await pipeline.close()
