import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakehouse.runtime.artifacts import PINS, Artifact, artifact_files, pinned
from lakehouse.runtime.download import Download, fetch
from lakehouse.settings import Settings
from specs.errors import SpecError, Unavailable, WrongInput

CONTENT = bytes(range(256)) * 4  # 1024 bytes


@dataclass
class Mirror:
    """A small file server that can be told to misbehave; its requests are kept."""

    url: str
    honours_ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    """For the next requests: how many bytes to send before the connection drops."""
    answers_with: list[int] = field(default_factory=list)
    """For the next requests: an HTTP error to answer with."""
    serves: bytes = CONTENT
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture(name="mirror")
def running_mirror() -> Iterator[Mirror]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            mirror.ranges.append(wanted)
            if mirror.answers_with:
                self.send_error(mirror.answers_with.pop(0))
                return
            start = 0
            if wanted and mirror.honours_ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            body = mirror.serves[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: mirror.breaks_after.pop(0)] if mirror.breaks_after else body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}/file")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield mirror
        server.shutdown()
        thread.join()


def wanted(mirror: Mirror, folder: Path) -> Download:
    return Download(mirror.url, folder / "file", 1024, hashlib.sha256(CONTENT).hexdigest())


def test_a_missing_file_is_downloaded_and_a_present_one_is_not(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download = wanted(mirror, tmp_path / "new" / "folder")
    fetch([download], what="things")
    assert download.path.read_bytes() == CONTENT
    assert capsys.readouterr().err.splitlines() == [
        "downloading things: 1 files, 0 MB",
        "downloaded things",
    ]
    fetch([download], what="things")
    assert mirror.ranges == [None]
    assert capsys.readouterr() == ("", "")


def test_a_download_goes_on_where_an_earlier_one_ended(mirror: Mirror, tmp_path: Path) -> None:
    download = wanted(mirror, tmp_path)
    download.part.write_bytes(CONTENT[:500])
    fetch([download], what="things")
    assert mirror.ranges == ["bytes=500-"]
    assert download.path.read_bytes() == CONTENT
    assert not download.part.exists()


def test_a_dropped_connection_is_resumed(mirror: Mirror, tmp_path: Path) -> None:
    mirror.breaks_after = [100, 200]
    download = wanted(mirror, tmp_path)
    fetch([download], what="things")
    assert mirror.ranges == [None, "bytes=100-", "bytes=300-"]
    assert download.path.read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_makes_it_start_over(mirror: Mirror, tmp_path: Path) -> None:
    mirror.honours_ranges = False
    download = wanted(mirror, tmp_path)
    download.part.write_bytes(CONTENT[:500])
    fetch([download], what="things")
    assert download.path.read_bytes() == CONTENT


def test_a_spoilt_beginning_is_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    download = wanted(mirror, tmp_path)
    download.part.write_bytes(b"x" * 500)
    fetch([download], what="things")
    assert mirror.ranges == ["bytes=500-", None]
    assert download.path.read_bytes() == CONTENT


@pytest.mark.parametrize("served", [b"x" * 1024, CONTENT + b"x"], ids=["other", "longer"])
def test_wrong_content_is_refused_and_nothing_stays(
    mirror: Mirror, tmp_path: Path, served: bytes
) -> None:
    mirror.serves = served
    download = wanted(mirror, tmp_path)
    with pytest.raises(Unavailable, match=r"wrong content from http://127\.0\.0\.1.*sha256"):
        fetch([download], what="things")
    assert mirror.ranges == [None]
    assert not download.path.exists()
    assert download.part.read_bytes() == b""


def test_what_is_not_there_is_not_asked_for_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers_with = [404]
    with pytest.raises(Unavailable, match=r"/file: HTTP 404 .*TRAFFIC_MAVEN_URL"):
        fetch([wanted(mirror, tmp_path)], what="things")
    assert mirror.ranges == [None]


def test_a_server_that_is_busy_is_asked_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers_with = [503]
    download = wanted(mirror, tmp_path)
    fetch([download], what="things")
    assert download.path.read_bytes() == CONTENT


def test_two_at_once_download_once(mirror: Mirror, tmp_path: Path) -> None:
    download = wanted(mirror, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(fetch, [download], what="things") for _ in range(2)]:
            done.result()
    assert mirror.ranges == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_little_space_is_said_before_anything_is_downloaded(
    mirror: Mirror, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="MB are free; free some"):
        fetch([Download(mirror.url, tmp_path / "file", 10**18, "")], what="things")
    assert mirror.ranges == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full device of Linux")
def test_a_disk_that_fills_up_is_named(mirror: Mirror, tmp_path: Path) -> None:
    download = wanted(mirror, tmp_path)
    download.part.symlink_to("/dev/full")
    with pytest.raises(Unavailable, match=r"file\.part: No space left on device"):
        fetch([download], what="things")


def test_pinned_artifacts_are_where_maven_puts_them() -> None:
    assert len(pinned()["spark"]) == 12
    assert Artifact(artifact="a.b:c:1", bytes=1, sha256="0" * 64).path == "a/b/c/1/c-1.jar"
    server = Artifact(artifact="a.b:c:1:tar.gz", bytes=1, sha256="0" * 64)
    assert server.path == "a/b/c/1/c-1.tar.gz"


def test_a_misspelt_key_of_a_pin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "artifacts.yaml"
    path.write_text(PINS.read_text().replace("sha256:", "sha265:", 1))
    with pytest.raises(SpecError, match=r"artifacts.yaml(.|\n)*sha265"):
        pinned(path)


def test_a_folder_can_be_the_repository(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    download = Download(
        source.as_uri(), tmp_path / "file", 1024, hashlib.sha256(CONTENT).hexdigest()
    )
    fetch([download], what="things")
    assert download.path.read_bytes() == CONTENT


def test_an_unknown_group_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no artifacts are pinned for 'flink'; there are spark"):
        artifact_files(Settings(cache=tmp_path), "flink")
