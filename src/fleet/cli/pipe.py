"""One call on the daemon's socket, for the quick way and the full one: connect, send, receive one answer."""

from __future__ import annotations

from fleet.core.wire import ANSWER_KINDS, ANSWER_LIMIT, HEADER_LIMIT, frame, parse_header

try:
    import _socket as sockets  # the C module alone: `socket` costs 70 % of a bare start
except ImportError:  # pragma: no cover - every CPython so far has it
    import socket as sockets  # type: ignore[no-redef]

_CHUNK = 1 << 18


class NotSent(Exception):
    """The call never left: nobody listens there. Trying another way is safe."""


class NoAnswer(Exception):
    """The call left and no whole answer came; it may have taken effect. ``late`` when the time limit passed."""

    def __init__(self, reason: str, late: bool) -> None:
        """Take the reason, and whether it was the time limit."""
        super().__init__(reason)
        self.late = late


class Pipe:
    """A connection that carries one call after another."""

    def __init__(self, path: str, timeout: float) -> None:
        """Connect to the socket at ``path``; ``timeout`` seconds bound every step. Raises NotSent."""
        self._socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._rest = b""
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise NotSent(error.strerror or str(error)) from error

    def exchange(self, kind: str, body: bytes, timeout: float) -> tuple[str, bytes]:
        """Send one request, return kind and body of its answer; ``timeout`` seconds bound every step.

        Raises NoAnswer, and WireError for an answer that does not keep to the format.
        """
        self._socket.settimeout(timeout)
        try:
            try:  # noqa: SIM105 - contextlib costs a tenth of a bare start
                self._socket.sendall(frame(kind, body))
            except BrokenPipeError:
                pass  # a body above the limit is answered before it is read
            return self._receive()
        except TimeoutError as error:
            raise NoAnswer("the daemon did not answer in time", late=True) from error
        except OSError as error:
            raise NoAnswer(error.strerror or str(error), late=False) from error

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _receive(self) -> tuple[str, bytes]:
        """Read one answer; what came after it stays for the next call."""
        buffer = self._rest
        while (end := buffer.find(b"\n")) < 0 and len(buffer) < HEADER_LIMIT:
            buffer += self._more()
        kind, length = parse_header(buffer[: end if end >= 0 else HEADER_LIMIT], ANSWER_KINDS, ANSWER_LIMIT)
        pieces = [buffer[end + 1 :]]
        missing = length - len(pieces[0])
        while missing > 0:
            pieces.append(self._more())
            missing -= len(pieces[-1])
        body = b"".join(pieces)
        self._rest = body[length:]
        return kind, body[:length]

    def _more(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise NoAnswer("the daemon closed the connection", late=False)
        return data
