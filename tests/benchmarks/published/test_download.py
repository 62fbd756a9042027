"""The downloader against a real server on this machine that misbehaves as told."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from records import write_official

from nas.benchmarks.published.catalogue import Published, Source
from nas.benchmarks.published.fetching import download
from nas.benchmarks.table import read_table
from nas.data.__main__ import main
from nas.errors import UserError
from nas.spaces import NB101

CONTENT = np.random.default_rng(0).bytes(700_000)
DIGEST = sha256(CONTENT).hexdigest()

Answer = Callable[["Handler", int, int | None], None]


class Handler(BaseHTTPRequestHandler):
    """Answers the nth request with the nth of the server's answers, the last one again and again."""

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        start = None if wanted is None else int(wanted.removeprefix("bytes=").removesuffix("-"))
        number = len(server.asked)
        server.asked.append((self.path, start))
        server.answers[min(number, len(server.answers) - 1)](self, number, start)

    def log_message(self, *_) -> None:
        pass

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def whole(handler: Handler, number: int, start: int | None) -> None:
    """A good server."""
    if start is None:
        handler.head(200, Content_Length=str(len(CONTENT)))
        handler.wfile.write(CONTENT)
    elif start >= len(CONTENT):
        handler.head(416, Content_Range=f"bytes */{len(CONTENT)}", Content_Length="0")
    else:
        rest = CONTENT[start:]
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        handler.head(206, Content_Length=str(len(rest)), Content_Range=span)
        handler.wfile.write(rest)


def cut(handler: Handler, number: int, start: int | None) -> None:
    """Breaks off after 200,000 bytes."""
    rest = CONTENT[start or 0 :]
    span = f"bytes {start or 0}-{len(CONTENT) - 1}/{len(CONTENT)}"
    handler.head(200 if start is None else 206, Content_Length=str(len(rest)), Content_Range=span)
    handler.wfile.write(rest[:200_000])
    handler.wfile.flush()
    handler.connection.close()


def ignoring_range(handler: Handler, number: int, start: int | None) -> None:
    whole(handler, number, None)


def wrong_part(handler: Handler, number: int, start: int | None) -> None:
    if start is None:
        whole(handler, number, None)
    else:
        handler.head(206, Content_Length="10", Content_Range=f"bytes 0-9/{len(CONTENT)}")
        handler.wfile.write(CONTENT[:10])


def cut_and_wrong_part(handler: Handler, number: int, start: int | None) -> None:
    """Breaks off, then sends no rest: every second request starts from scratch."""
    (cut if start is None else wrong_part)(handler, number, start)


def wrong_bytes(handler: Handler, number: int, start: int | None) -> None:
    handler.head(200, Content_Length=str(len(CONTENT)))
    handler.wfile.write(bytes(len(CONTENT)))


def chunked(handler: Handler, number: int, start: int | None) -> None:
    handler.head(200)
    handler.wfile.write(CONTENT)


def endless(handler: Handler, number: int, start: int | None) -> None:
    handler.head(200)
    for _ in range(100):
        handler.wfile.write(CONTENT)


def huge(handler: Handler, number: int, start: int | None) -> None:
    handler.head(200, Content_Length=str(10**12))


def silent(handler: Handler, number: int, start: int | None) -> None:
    handler.head(200, Content_Length=str(len(CONTENT)))
    handler.server.stop.wait(20)


def redirect(handler: Handler, number: int, start: int | None) -> None:
    handler.head(302, Location="/moved", Content_Length="0")


def status(code: int) -> Answer:
    return lambda handler, number, start: handler.head(code, Content_Length="0")


@pytest.fixture
def served() -> Iterator[Callable[..., Source]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.stop = [], threading.Event()
    server.handle_error = lambda *_: None  # a connection that the test has cut
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(*answers: Answer) -> Source:
        server.answers = answers
        url = f"http://127.0.0.1:{server.server_port}/file.bin"
        serve.asked = server.asked
        return Source("file.bin", url, DIGEST, 2_000_000, "noise")

    yield serve
    server.stop.set()
    server.shutdown()
    server.server_close()


def fetch(source: Source, folder: Path, **options) -> Path:
    return download(source, folder, **{"pause": 0.0, "timeout": 5.0, **options})


@pytest.mark.parametrize(
    ("answers", "starts"),
    [
        ([whole], [None]),
        ([chunked], [None]),
        ([redirect, whole], [None, None]),
        ([cut, whole], [None, 200_000]),
        ([cut, cut, cut, cut], [None, 200_000, 400_000, 600_000]),
        ([cut, status(503), status(429), whole], [None, 200_000, 200_000, 200_000]),
        ([cut, ignoring_range], [None, 200_000]),
        ([cut, wrong_part], [None, 200_000, None]),
        ([cut, redirect, whole], [None, 200_000, 200_000]),
    ],
)
def test_what_arrives_is_what_was_published(answers, starts, served, tmp_path: Path) -> None:
    source = served(*answers)
    told = []
    file = fetch(source, tmp_path / "new" / "folder", report=lambda done, total: told.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert [start for _, start in served.asked] == starts
    assert told[-1][0] == len(CONTENT)
    assert not list(file.parent.glob("*.part"))


def test_a_download_that_was_stopped_goes_on(served, tmp_path: Path) -> None:
    source = served(whole)
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert served.asked == [("/file.bin", 123_456)]
    fetch(source, tmp_path)
    assert len(served.asked) == 1  # nothing is asked for that is there


def test_one_that_was_stopped_at_the_very_end_is_complete(served, tmp_path: Path) -> None:
    source = served(whole)
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(source, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [b"", bytes(100_000), CONTENT + b"more"])
def test_wrong_bytes_are_refused_and_removed(kept: bytes, served, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(kept)
    source = served(wrong_bytes if not kept else whole)
    with pytest.raises(UserError, match=rf"has SHA-256 [0-9a-f]{{64}}, expected {DIGEST}: .* try again"):
        fetch(source, tmp_path)
    assert not list(tmp_path.glob("file.bin*.part"))
    assert not (tmp_path / "file.bin").exists()


def test_a_damaged_file_that_is_there_is_downloaded_anew(served, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"damaged")
    assert fetch(served(whole), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(404), "file.bin: 404 Not Found"),
        (status(403), "file.bin: 403 Forbidden"),
        (status(500), r"cannot be downloaded \(500 Internal Server Error\): 0 bytes are kept"),
        (huge, "has 1,000,000,000,000 bytes, at most 2,000,000 are expected"),
        (endless, "sends more than 2,000,000 bytes"),
        (redirect, "redirect error that would lead to an infinite loop|file.bin: 302"),
    ],
)
def test_a_server_that_does_not_serve_is_one_line(answer, message: str, served, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        fetch(served(answer), tmp_path, attempts=2)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "file.bin").exists()


def test_starts_from_scratch_without_end_are_given_up(served, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be downloaded"):
        fetch(served(cut_and_wrong_part), tmp_path, attempts=4)
    assert [start for _, start in served.asked] == [None, 200_000, None, 200_000, None]


def test_a_server_that_stays_silent_or_is_not_there_is_given_up(served, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be downloaded \(timed out\)"):
        fetch(served(silent), tmp_path, attempts=2, timeout=0.2)
    with pytest.raises(UserError, match=r"cannot be downloaded \(.*refused"):
        fetch(Source("a", "http://127.0.0.1:1/a", DIGEST, 10, ""), tmp_path, attempts=2)


def test_fetch_downloads_converts_and_cleans_up(served, tmp_path: Path, monkeypatch, capsys) -> None:
    space = NB101(max_vertices=3)
    content = write_official(tmp_path / "published", space, space.enumerate(), (108,)).read_bytes()
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))

    def serve(handler: Handler, number: int, start: int | None) -> None:
        handler.head(200, Content_Length=str(len(content)))
        handler.wfile.write(content)

    offered = replace(served(serve), name="a.tfrecord", sha256=sha256(content).hexdigest())
    table = Published("nb101", "nasbench101.npz", 7, 7, None, "", {"108": offered, "full": replace(offered, most=9)})
    monkeypatch.setattr("nas.data.__main__.TABLES", (table,))
    assert main(["fetch", "nb101"]) == 0
    assert [path.name for path in (tmp_path / "cache").glob("*[!k]")] == ["nasbench101.npz"]
    assert len(read_table(tmp_path / "cache/nasbench101.npz", space)) == 7
    assert main(["fetch", "nb101"]) == 1
    assert "is there already: replace it with --force" in capsys.readouterr().err
    assert len(served.asked) == 1  # before anything is downloaded
    assert main(["fetch", "nb101", "--full", "--force"]) == 1
    assert "at most 9 are expected" in capsys.readouterr().err
    assert main(["fetch", "nb101", "--force", "--keep"]) == 0
    assert (tmp_path / "cache/a.tfrecord").read_bytes() == content
    assert main(["fetch", "nb101", "--out", str(tmp_path / "elsewhere.npz")]) == 0
    assert len(read_table(tmp_path / "elsewhere.npz", space)) == 7


def test_a_cut_at_the_end_of_all_attempts_keeps_what_arrived(served, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"200,000 bytes are kept, start again to go on"):
        fetch(served(cut, status(500)), tmp_path, attempts=1)
    assert os.path.getsize(tmp_path / "file.bin.part") == 200_000
    assert fetch(served(whole), tmp_path).read_bytes() == CONTENT
