"""Class folders, and a web server on this machine that sends archives, can cut the connection, and counts requests."""

import http.server
import os
import threading
from dataclasses import dataclass, field

import pytest
from PIL import Image

from nstkit.datasets import files
from nstkit.datasets.folder import list_class_folders, read_listing

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture
def fill():
    """Write pictures of the colour of their class into a folder; the upper left corner of each tells its number."""

    def write(root, count=10, classes=COLORS, size=(12, 8)):
        for name in classes:
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture = Image.new("RGB", size, COLORS[name])
                picture.paste((number, number, number), (0, 0, size[0] // 2, size[1]))
                picture.save(root / name / f"{number:03d}.bmp")
                os.utime(root / name / f"{number:03d}.bmp", ns=(10**18, 10**18))  # as unpacked: sizes and dates alike
        return root

    return write


@pytest.fixture
def read_folder():
    """Read a folder of class folders; return the pictures and the classes."""

    def read(root, size_px):
        listing = list_class_folders(root)
        return read_listing(listing, size_px), listing.classes

    return read


@pytest.fixture
def reads(monkeypatch):
    """The pictures that are read from their files."""
    read = []
    original = files.read_picture

    def count(path):
        read.append(path)
        return original(path)

    monkeypatch.setattr(files, "read_picture", count)
    return read


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
