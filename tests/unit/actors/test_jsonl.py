"""The event file: whole lines, rotation, torn ends, disks that refuse."""

import os

import pytest

from actors._jsonl import JsonlFile, numbered, tail


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "telemetry.jsonl"


def written(path, lines, **limits):
    file = JsonlFile(path, **({"max_bytes": 1_000_000, "keep": 5} | limits))
    count, error = file.append(lines)
    file.close()
    return count, error


def every_line(path, keep=20):
    found = []
    for number in range(keep, -1, -1):
        if numbered(path, number).exists():
            found += numbered(path, number).read_bytes().splitlines()
    return found


def test_lines_are_appended_in_order_and_folders_are_made(path):
    assert written(path, [b'{"a":1}', b'{"a":2}']) == (2, None)
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'


def test_rotation_loses_no_line_and_keeps_every_file_within_its_limit(path):
    lines = [b'{"n":%03d}' % number for number in range(100)]
    written(path, lines, max_bytes=100, keep=20)
    assert every_line(path) == lines
    sizes = [numbered(path, number).stat().st_size for number in range(12) if numbered(path, number).exists()]
    assert max(sizes) <= 100
    assert len(sizes) == 11  # ten bytes a line, ten lines a file, and the new empty one


def test_a_file_that_is_full_after_a_write_is_rotated_at_once(path):
    written(path, [b"x" * 99], max_bytes=100)
    assert path.read_bytes() == b""
    assert numbered(path, 1).read_bytes() == b"x" * 99 + b"\n"


def test_a_line_longer_than_the_limit_is_still_written(path):
    written(path, [b"a", b"b" * 500, b"c"], max_bytes=100)
    assert every_line(path) == [b"a", b"b" * 500, b"c"]


def test_only_the_newest_files_are_kept(path):
    written(path, [b"%09d" % number for number in range(10)], max_bytes=10, keep=3)
    assert every_line(path) == [b"000000007", b"000000008", b"000000009"]


def test_a_torn_last_line_is_set_aside_and_the_rest_stays(path):
    path.parent.mkdir()
    path.write_bytes(b'{"a":1}\n{"a":2')
    written(path, [b'{"a":3}'])
    assert path.read_bytes() == b'{"a":1}\n{"a":3}\n'
    assert path.with_name("telemetry.jsonl.torn").read_bytes() == b'{"a":2\n'


def test_a_whole_last_line_without_its_newline_is_completed(path):
    path.parent.mkdir()
    path.write_bytes(b'{"a":1}\n{"a":2}')
    written(path, [b'{"a":3}'])
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n{"a":3}\n'


def test_a_file_that_is_all_one_torn_line_starts_anew(path):
    path.parent.mkdir()
    path.write_bytes(b'{"a":')
    written(path, [b'{"a":1}'])
    assert path.read_bytes() == b'{"a":1}\n'


def test_a_file_that_was_moved_away_is_made_anew(path):
    file = JsonlFile(path, max_bytes=1_000, keep=2)
    file.append([b"1"])
    os.rename(path, path.with_name("moved"))
    file.append([b"2"])
    file.close()
    assert path.read_bytes() == b"2\n"


def test_a_write_that_the_disk_refuses_halfway_leaves_no_half_line(path, monkeypatch):
    file = JsonlFile(path, max_bytes=1_000, keep=2)
    file.append([b'{"a":1}'])
    real = os.write
    calls = []

    def refusing(fd, data):
        calls.append(len(data))
        if len(calls) == 1:
            return real(fd, bytes(data)[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refusing)
    count, error = file.append([b'{"a":2}', b'{"a":3}'])
    monkeypatch.undo()
    assert (count, error.errno) == (0, 28)
    assert file.append([b'{"a":4}']) == (1, None)
    file.close()
    assert path.read_bytes() == b'{"a":1}\n{"a":4}\n'


def test_a_rotation_that_fails_lets_the_file_grow(path, monkeypatch):
    file = JsonlFile(path, max_bytes=4, keep=2)

    def refuse(*_):
        raise OSError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    assert file.append([b"111", b"222"]) == (2, None)
    file.close()
    assert path.read_bytes() == b"111\n222\n"


def test_the_tail_is_the_newest_lines_across_files(path):
    lines = [b'{"n":%03d}' % number for number in range(30)]
    written(path, lines, max_bytes=100)
    assert tail(path, 15, keep=5) == lines[15:]
    assert tail(path, 2, keep=5, wanted=b"00") == [b'{"n":008}', b'{"n":009}']
    assert tail(path.with_name("none"), 3) == []


def test_the_tail_leaves_out_a_line_that_is_being_written_and_reads_long_ones(path):
    path.parent.mkdir()
    path.write_bytes(b"first\n" + b"x" * 200_000 + b"\nlast\nunfin")
    assert tail(path, 3) == [b"first", b"x" * 200_000, b"last"]
