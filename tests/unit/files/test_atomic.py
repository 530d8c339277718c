"""Atomic writes: whole or absent, nothing left behind."""

import fcntl
import os
import stat

import pytest

from foldward.files import (
    atomic_file,
    atomic_folder,
    atomic_write,
    fsync_dir,
    is_orphan_name,
    require_writable,
    sweep_orphans,
)


def names(folder):
    return sorted(os.listdir(folder))


def test_text_is_written_as_utf8_and_parents_are_created(tmp_path):
    path = tmp_path / "a" / "b" / "status.json"
    atomic_write(path, "größe")
    assert path.read_bytes() == "größe".encode()
    assert names(path.parent) == ["status.json"]


def test_an_existing_file_is_replaced_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o600)
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_writer_that_fails_leaves_the_old_content_and_no_temporary(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def write_and_fail():
        with atomic_file(path) as file:
            file.write(b"half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_reader_with_the_old_file_open_keeps_reading_the_old_content(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with open(path, "rb") as reader:
        atomic_write(path, b"new", durable=False)
        assert reader.read() == b"old"


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path / "f", b"x")
    assert names(tmp_path) == ["f"]


def test_a_symbolic_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_the_longest_file_name_still_gets_a_temporary(tmp_path):
    path = tmp_path / ("x" * 255)
    atomic_write(path, b"1")
    assert path.read_bytes() == b"1"


def test_the_sweep_removes_orphans_and_spares_writers_at_work(tmp_path):
    (tmp_path / ".f.0123456789abcdef.fwtmp").write_bytes(b"half")
    (tmp_path / ".d.0123456789abcdef.fwtmp").mkdir()
    (tmp_path / ".d.0123456789abcdef.fwtmp" / "inner").write_bytes(b"half")
    (tmp_path / "kept.fwtmp").write_bytes(b"not hidden, so not ours")
    with atomic_file(tmp_path / "live") as file:
        swept = sweep_orphans(tmp_path)
        file.write(b"whole")
    assert [path.name for path in swept] == [".d.0123456789abcdef.fwtmp", ".f.0123456789abcdef.fwtmp"]
    assert names(tmp_path) == ["kept.fwtmp", "live"]
    assert (tmp_path / "live").read_bytes() == b"whole"


def test_a_locked_orphan_stays_until_its_lock_is_gone(tmp_path):
    path = tmp_path / ".f.0123456789abcdef.fwtmp"
    path.write_bytes(b"")
    with open(path, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert sweep_orphans(tmp_path) == []
    assert sweep_orphans(tmp_path) == [path]


def test_the_sweep_goes_into_subfolders_only_when_asked(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / ".f.0123456789abcdef.fwtmp").write_bytes(b"")
    assert sweep_orphans(tmp_path) == []
    assert sweep_orphans(tmp_path, recursive=True) == [deep / ".f.0123456789abcdef.fwtmp"]
    assert sweep_orphans(tmp_path / "absent") == []


def test_a_folder_appears_whole_under_its_name(tmp_path):
    with atomic_folder(tmp_path / "deep" / "entry") as folder:
        (folder / "a").write_bytes(b"1")
        assert is_orphan_name(folder.name)
        assert not (tmp_path / "deep" / "entry").exists()
    assert names(tmp_path / "deep") == ["entry"]
    assert names(tmp_path / "deep" / "entry") == ["a"]


def test_the_first_of_two_folders_of_one_name_wins(tmp_path):
    def fill(content):
        with atomic_folder(tmp_path / "entry") as folder:
            (folder / "a").write_bytes(content)

    fill(b"first")
    with pytest.raises(FileExistsError):
        fill(b"second")
    assert (tmp_path / "entry" / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["entry"]


def test_a_folder_that_cannot_be_filled_is_removed(tmp_path):
    def fail():
        with atomic_folder(tmp_path / "entry") as folder:
            (folder / "a").write_bytes(b"1")
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == []


def test_fsync_of_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        fsync_dir(tmp_path / "f")


def test_whether_a_file_could_be_written_is_known_before_and_leaves_nothing(tmp_path):
    require_writable(tmp_path / "a" / "report.html")
    assert names(tmp_path / "a") == []
    (tmp_path / "old").write_bytes(b"old")
    require_writable(tmp_path / "old")
    assert names(tmp_path) == ["a", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"
    with pytest.raises(IsADirectoryError):
        require_writable(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        require_writable(tmp_path / "old" / "report.html")
