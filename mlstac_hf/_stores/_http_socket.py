"""What a socket receives, and how long it is waited for.

Owns: the limit that http.client lacks. Its timeout bounds the silence between two bytes, so a server that sends a byte
now and then would hold us for ever. Here an answer, headers and body, may never be further than that timeout behind
`SLOWEST`: one of n bytes is here, or given up, within timeout + n / SLOWEST seconds. Leaves to others: connecting
(`_http_pool`).

Where the system can, it does the waiting: a socket with a timeout of Python's asks before each call whether there is
anything, and threads that decode take the interpreter between any two calls.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

SLOWEST = 10_000
"""Bytes a second. Little, as many connections may share a thin line."""
_WAITS = sys.platform == "linux"
"""Whether the system waits no longer in one call than it is told to, and until buffers are full."""
_SIDES = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO) if _WAITS else ()


def wait_for(sock: socket.socket, timeout_s: float, *, to_send: bool = True) -> None:
    """Set how long one call may take to receive, and to send: then it is a TimeoutError, or a BlockingIOError."""
    if not _is_plain(sock):
        sock.settimeout(timeout_s)
        return
    if sock.gettimeout() is not None:
        sock.settimeout(None)
    seconds, micros = divmod(max(1, int(timeout_s * 1e6)), 1_000_000)
    for side in _SIDES[: 2 if to_send else 1]:
        sock.setsockopt(socket.SOL_SOCKET, side, struct.pack("@ll", seconds, micros))


def _is_plain(sock: socket.socket) -> bool:
    return _WAITS and type(sock) is socket.socket  # what is encrypted comes in records, which ask again


class Watched(io.RawIOBase):
    """What a socket receives, as long as it keeps up.

    Args:
        sock: connected.
        raw: what reads it.
        timeout_s: seconds.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, timeout_s: float) -> None:
        self._sock, self._raw, self._timeout = sock, raw, timeout_s
        self._deadline = time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        self._wait()
        received: int | None = self._raw.readinto(buffer)
        if received is None:
            raise TimeoutError
        return self._seen(received)

    @property
    def can_fill(self) -> bool:
        """Whether there is a `fill`."""
        return _is_plain(self._sock)

    def fill(self, buffers: Sequence[memoryview]) -> int:
        """As `readinto`, into several buffers, until they are full or it falls behind; how many bytes.

        It is one call of the system.
        """
        self._wait()
        try:
            return self._seen(self._sock.recvmsg_into(buffers, 0, socket.MSG_WAITALL)[0])
        except BlockingIOError:
            raise TimeoutError from None

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wait_for(self._sock, left, to_send=False)

    def _seen(self, nbytes: int) -> int:
        # bytes that came early are no leave to dawdle later
        self._deadline = min(self._deadline + nbytes / SLOWEST, time.monotonic() + self._timeout)
        return nbytes

    def close(self) -> None:
        self._raw.close()
        super().close()
