"""What is said of bytes, compared with them."""

from __future__ import annotations

import hashlib

import pytest

from mlstac_hf._download._digests import check_digest, digest_of
from mlstac_hf._formats import HeaderError
from mlstac_hf._stores import LocalStore


@pytest.mark.parametrize("size", [0, 7, 5 << 20])
def test_both_kinds_of_digests(tmp_path, size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "file").write_bytes(data)
    said = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "git": hashlib.sha1(b"blob %d\0" % size + data).hexdigest(),  # as `git hash-object` has it
    }
    for kind, digest in said.items():
        check_digest(tmp_path / "file", f"{kind}:{digest}")
        with pytest.raises(HeaderError, match=f"expected bytes of {kind}:00"):
            check_digest(tmp_path / "file", f"{kind}:{'0' * len(digest)}")


def test_only_what_is_a_checksum_counts(tmp_path):
    store = LocalStore(tmp_path)
    assert digest_of(store, "a", {"x/a": f"SHA256:{'AB' * 32}"}, "x/a") == f"sha256:{'ab' * 32}"
    assert digest_of(store, "a", {"x/a": "sha256:short"}, "x/a") is None
    assert digest_of(store, "a", {}, "x/a") is None
