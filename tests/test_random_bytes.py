import os
import threading

from proxy.random_bytes import random_bytes, random_hex


def test_as_many_as_asked_for() -> None:
    assert [len(random_bytes(count)) for count in (0, 1, 16, 24, 25, 100)] == [0, 1, 16, 24, 25, 100]
    assert len(random_hex(16)) == 32


def test_no_two_are_alike() -> None:
    drawn = [random_hex(24) for _ in range(1000)]
    assert len(set(drawn)) == 1000


def test_threads_share_none() -> None:
    drawn: list[bytes] = []
    threads = [threading.Thread(target=lambda: drawn.extend([random_bytes(16) for _ in range(500)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(drawn)) == 2000


def test_a_forked_process_draws_its_own() -> None:
    random_bytes(24)  # what was drawn beforehand is there in both
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"".join(random_bytes(24) for _ in range(5)))
        os._exit(0)
    os.close(tell)
    with os.fdopen(hear, "rb") as said:
        theirs = said.read()
    os.waitpid(child, 0)
    ours = b"".join(random_bytes(24) for _ in range(5))
    assert len(theirs) == 120
    assert not {theirs[at : at + 24] for at in range(0, 120, 24)} & {ours[at : at + 24] for at in range(0, 120, 24)}
