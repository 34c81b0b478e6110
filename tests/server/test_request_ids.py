"""Ids of requests: no two are alike, not even in a process that was forked."""

from __future__ import annotations

import os
import re

from proxy.server.request_ids import new_request_id


def test_no_two_are_alike() -> None:
    made = [new_request_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch("req_[0-9a-f]{32}", one) for one in made)


def test_a_forked_process_makes_its_own() -> None:
    new_request_id()  # what was drawn beforehand is there in both
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, "".join(new_request_id() for _ in range(5)).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(hear, "rb") as said:
        theirs = said.read().decode()
    os.waitpid(child, 0)
    assert len(theirs) == 5 * 36
    assert not any(new_request_id() in theirs for _ in range(5))
