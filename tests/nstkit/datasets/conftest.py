"""A web server on this machine that sends archives, can cut the connection, and counts what it is asked for."""

import http.server
import threading
from dataclasses import dataclass, field

import pytest


@dataclass
class Internet:
    """What the server sends and how.

    Attributes:
        url: of the server.
        files: content by path.
        cut_bytes: each answer ends after so many bytes; None = it is whole.
        has_ranges: whether it answers to a Range.
        asked: (path, Range) of every request.
    """

    url: str = ""
    files: dict = field(default_factory=dict)
    cut_bytes: int | None = None
    has_ranges: bool = True
    asked: list = field(default_factory=list)


@pytest.fixture
def internet(monkeypatch):
    """Serve `files` from localhost."""
    state = Internet()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            state.asked.append((self.path, asked))
            if self.path not in state.files:
                self.send_error(404, "Not here")
                return
            content = state.files[self.path]
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.has_ranges else 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: state.cut_bytes])

        def log_message(self, *words):
            pass

    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
