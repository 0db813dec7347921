"""A folder over http, 20 ms a request, in a process of its own that takes as little of the machine as it can.

One thread, epoll and sendfile; GET and HEAD, ranges, connections that are kept. Linux only.
Run as `python _slow_server.py FOLDER`; it says its port and serves until its standard input ends.
"""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import time
from collections import deque
from urllib.parse import unquote

DELAY_S = 0.02
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)


class Connection:
    def __init__(self, sock):
        self.sock, self.received = sock, b""
        self.file, self.at, self.end = None, 0, 0

    def answer(self, folder):
        """Send the head of an answer, and as much of the file as goes at once."""
        method, path, _ = self.received.split(b" ", 2)
        asked, self.received = _RANGE.search(self.received), b""
        try:
            self.file = os.open(folder + unquote(path.decode()), os.O_RDONLY)
            size = os.fstat(self.file).st_size
        except OSError:
            self.sock.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return False
        self.at, self.end, status, part = 0, size, b"200 OK", b""
        if asked:
            self.at, self.end = int(asked[1]), min(int(asked[2] or size) + 1, size)
            status, part = b"206 Partial Content", b"Content-Range: bytes %d-%d/%d\r\n" % (self.at, self.end - 1, size)
        head = b'HTTP/1.1 %s\r\nContent-Length: %d\r\nETag: "%d"\r\n%s\r\n' % (status, self.end - self.at, size, part)
        self.sock.send(head, socket.MSG_MORE if method == b"GET" and self.end > self.at else 0)
        if method == b"HEAD":
            self.at = self.end
        return self.go_on()

    def go_on(self):
        """Send more; whether there is more to send."""
        try:
            while self.at < self.end:
                self.at += os.sendfile(self.sock.fileno(), self.file, self.at, self.end - self.at)
        except BlockingIOError:
            return True
        os.close(self.file)
        return False


def serve(folder):  # noqa: C901 - one loop, and all it sees
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    poll, connections, due = select.epoll(), {}, deque()
    poll.register(listener, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    while True:
        wait = max(0, due[0][0] - time.monotonic()) if due else -1
        for number, _ in poll.poll(wait):
            if number == sys.stdin.fileno():
                return
            if number == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)  # noqa: FBT003 - takes no keyword
                connections[sock.fileno()] = Connection(sock)
                poll.register(sock, select.EPOLLIN)
                continue
            connection = connections[number]
            try:
                if connection.at < connection.end:
                    if not connection.go_on():
                        poll.modify(number, select.EPOLLIN)
                    continue
                data = connection.sock.recv(65536)
            except OSError:
                data = b""
            connection.received += data
            if not data:
                del connections[number]
                poll.unregister(number)
                connection.sock.close()
            elif connection.received.endswith(b"\r\n\r\n"):
                due.append((time.monotonic() + DELAY_S, connection))
        now = time.monotonic()
        while due and due[0][0] <= now:
            connection = due.popleft()[1]
            if connections.get(connection.sock.fileno()) is connection and connection.answer(folder):
                poll.modify(connection.sock, select.EPOLLOUT)


if __name__ == "__main__":
    serve(sys.argv[1])
