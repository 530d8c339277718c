"""Reading whole files, long ones into memory of large pages."""

from io import FileIO

import pytest

from foldward.data import _whole

HUGE = 14  # MADV_HUGEPAGE on Linux


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "X_H1.csv"
    path.write_bytes(b"0123456789" * 2000)
    return path


def test_a_long_file_is_read_as_it_is_whatever_pieces_it_comes_in(source, monkeypatch):
    monkeypatch.setattr(_whole, "_LONG", 100)
    monkeypatch.setattr(_whole, "_PIECE", 777)
    data = _whole.read_whole(source)
    assert (type(data), data) == (bytes, b"0123456789" * 2000)


def test_a_short_file_and_an_empty_one_are_read_too(source, tmp_path):
    assert _whole.read_whole(source) == b"0123456789" * 2000
    (tmp_path / "empty").write_bytes(b"")
    assert _whole.read_whole(tmp_path / "empty") == b""


@pytest.mark.parametrize("size", [2, 19_999, 20_001, 400_000])
def test_a_file_that_has_another_size_than_it_said_is_read_whole(source, size):
    with FileIO(source) as file:
        assert _whole._read(file, size, HUGE) == b"0123456789" * 2000


def test_a_kernel_that_knows_no_large_pages_serves_with_small_ones(source):
    with FileIO(source) as file:
        assert _whole._read(file, 20_000, -1) == b"0123456789" * 2000


def test_two_files_of_the_same_size_never_share_their_bytes(source, tmp_path, monkeypatch):
    monkeypatch.setattr(_whole, "_LONG", 100)
    other = tmp_path / "other"
    other.write_bytes(b"9876543210" * 2000)
    first, second = _whole.read_whole(source), _whole.read_whole(other)
    assert (first[:10], second[:10]) == (b"0123456789", b"9876543210")
    assert hash(first) == hash(b"0123456789" * 2000)
