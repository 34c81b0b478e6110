import base64
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sealing import SealBroken, Sealing, key_in, new_key

ONE, TWO = "one key of sixteen and more", "another key, as long as that"
OURS = Sealing([ONE])


@given(st.binary(), st.text())
def test_what_is_sealed_comes_back(data, purpose):
    sealed = OURS.seal(data, purpose)
    assert sealed.startswith("pst2.")
    assert sealed.isascii()
    assert OURS.open(sealed, purpose) == data


def test_the_same_is_never_sealed_twice_alike():
    assert OURS.seal(b"x", "p") != OURS.seal(b"x", "p")


def test_nothing_of_it_can_be_read():
    sealed = OURS.seal(b"the secret word" * 10, "p").removeprefix("pst2.")
    assert b"secret" not in base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))


@pytest.mark.parametrize("text", ["", "pst1.abc", "gAAAAABo-opaque", "PST2.abc", "pst2"])
def test_what_is_not_of_this_kind_is_nothing(text):
    assert OURS.open(text, "p") is None


def test_no_character_can_be_changed():
    sealed = OURS.seal(b"twenty bytes of data", "p")
    for at in range(len("pst2."), len(sealed)):
        for other in "A", "B", "_":
            changed = sealed[:at] + other + sealed[at + 1 :]
            if changed != sealed:
                with pytest.raises(SealBroken):
                    OURS.open(changed, "p")


def test_nothing_can_be_cut_off_or_added():
    sealed = OURS.seal(b"data", "p")
    for text in *(sealed[:length] for length in range(5, len(sealed))), sealed + "A", sealed + "=", sealed + "ä":
        with pytest.raises(SealBroken):
            OURS.open(text, "p")


def test_it_opens_for_its_purpose_only():
    with pytest.raises(SealBroken, match="changed"):
        OURS.open(OURS.seal(b"data", "one"), "other")


def test_an_old_key_opens_and_the_first_one_seals():
    rotated = Sealing([TWO, ONE])
    assert rotated.open(OURS.seal(b"old", "p"), "p") == b"old"
    assert Sealing([TWO]).open(rotated.seal(b"new", "p"), "p") == b"new"
    with pytest.raises(SealBroken, match="not known here"):
        OURS.open(rotated.seal(b"new", "p"), "p")


def test_a_fresh_one_has_a_key_of_its_own():
    with pytest.raises(SealBroken):
        Sealing.fresh().open(Sealing.fresh().seal(b"data", "p"), "p")


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "key"
    key = key_in(path)
    assert len(key) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_in(path) == key
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_at_the_same_moment_one_makes_the_key(tmp_path):
    for name in map(str, range(20)):
        together = threading.Barrier(8)

        def ask(path: Path, together: threading.Barrier = together) -> str:
            together.wait(10)
            return key_in(path)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, [tmp_path / name] * 8))) == 1
    assert len(list(tmp_path.iterdir())) == 20


def test_a_file_with_something_else_is_refused(tmp_path):
    path: Path = tmp_path / "key"
    path.write_text("short\n")
    with pytest.raises(ValueError, match="no key of at least 32"):
        key_in(path)


def test_a_directory_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        key_in(tmp_path / "gone" / "key")


def test_new_keys_differ():
    assert new_key() != new_key()
