"""Downloads go on where they were cut, wrong ones are replaced once, and a failure is one line that says what to do."""

import hashlib
import os

import pytest

from nstkit.datasets.download import fetch_archive, one_at_a_time

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def fetch(tmp_path, internet):
    """Download CONTENT to `a.zip` in an empty folder."""
    internet.files["/a.zip"] = CONTENT

    def run():
        fetch_archive(f"{internet.url}/a.zip", tmp_path / "a.zip", MD5)
        assert (tmp_path / "a.zip").read_bytes() == CONTENT
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]

    return run


def test_file_is_downloaded_once(fetch, internet):
    fetch()
    fetch()
    assert internet.asked == [("/a.zip", None)]


def test_cut_download_goes_on_at_once_where_it_ended(fetch, internet):
    internet.cut_bytes = 4000
    fetch()
    assert [asked for _, asked in internet.asked] == [None, "bytes=4000-", "bytes=8000-"]


def test_cut_download_goes_on_at_the_next_call(fetch, internet, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:7000])
    fetch()
    assert internet.asked == [("/a.zip", "bytes=7000-")]


@pytest.mark.parametrize("content", [CONTENT, CONTENT + b"more", b"x" * len(CONTENT)])
def test_part_with_nothing_behind_it_is_taken_or_begun_anew(fetch, internet, tmp_path, content):
    (tmp_path / "a.zip.part").write_bytes(content)
    fetch()
    assert len(internet.asked) == (1 if content == CONTENT else 2)


def test_server_without_ranges_sends_all_again(fetch, internet, tmp_path):
    internet.has_ranges = False
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:7000])
    fetch()


def test_server_without_ranges_that_cuts_is_given_up(fetch, internet, tmp_path, user_error):
    internet.has_ranges, internet.cut_bytes = False, 4000
    with user_error("a.zip could not be downloaded", "the connection was cut", "4,000 bytes are kept"):
        fetch()
    assert len(internet.asked) == 2


def test_truncated_archive_under_the_final_name_is_completed(fetch, internet, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT[:5000])  # as torchvision's own download leaves it
    fetch()
    assert internet.asked == [("/a.zip", "bytes=5000-")]


@pytest.mark.parametrize("size", [100, len(CONTENT), 2 * len(CONTENT)])
def test_corrupt_archive_is_downloaded_anew(fetch, internet, tmp_path, size):
    (tmp_path / "a.zip").write_bytes(b"?" * size)
    fetch()
    assert internet.asked[-1] == ("/a.zip", None)


def test_wrong_checksum_twice_is_one_line_and_leaves_nothing(fetch, internet, tmp_path, user_error):
    internet.files["/a.zip"] = CONTENT[::-1]
    found = hashlib.md5(CONTENT[::-1]).hexdigest()
    with user_error(f"{internet.url}/a.zip", "corrupted", found, MD5, "twice", f"into {tmp_path}"):
        fetch()
    assert len(internet.asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_one_line(fetch, internet, tmp_path, user_error):
    internet.files.clear()
    with user_error(f"{internet.url}/a.zip", "HTTP 404 Not here", MD5, f"into {tmp_path}"):
        fetch()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept_when_the_server_is_gone(tmp_path, user_error, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "a.zip").write_bytes(CONTENT[:5000])
    with user_error("could not be downloaded", "refused", "5,000 bytes are kept in", "a.zip.part", "Start again"):
        fetch_archive("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip.part").read_bytes() == CONTENT[:5000]


def test_folder_that_cannot_be_made_is_one_line(tmp_path, user_error):
    (tmp_path / "data").write_text("a file")
    with user_error(tmp_path / "data", "cannot be written"), one_at_a_time(tmp_path / "data"):
        pass


def test_only_one_process_downloads(tmp_path):
    with one_at_a_time(tmp_path / "data"):
        assert f"process {os.getpid()}" in (tmp_path / "data" / ".lock").read_text()
