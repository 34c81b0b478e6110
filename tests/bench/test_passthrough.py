import sys

import pytest

from bench.load import Job, Load
from bench.processes import Process
from bench.targets import UPSTREAM, known


@pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")
async def test_bytes_come_through_and_the_process_ends_with_its_input(tmp_path):
    with UPSTREAM.start(tmp_path, set()) as upstream:
        target = known(upstream.port(UPSTREAM.ready), tmp_path)["pass-through"]
        with Process(target.command, errors=tmp_path / "errors") as proxy:
            port = proxy.port(target.ready)
            streamed = await Load(Job(port=port, dialect="chat", connections=2, pieces=20, limit_s=10)).run()
            whole = await Load(Job(port=port, dialect="chat", connections=2, stream=False, limit_s=10)).run()
            proxy.talk(b"", 10)
    assert (streamed.errors, streamed.examples, streamed.pieces) == (0, [], 40)
    assert (whole.errors, whole.answers) == (0, 2)
