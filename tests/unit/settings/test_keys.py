"""Key files: written for their owner's eyes alone, read strictly."""

import os
import stat

import pytest

from foldward.contracts.errors import ConfigError
from foldward.settings.keys import Keys, is_key, read_keys, write_keys

PUBLIC = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
SECRET = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"


def test_a_key_file_reads_back_and_only_its_owner_may(tmp_path):
    file = tmp_path / "deep" / "w.keys"
    write_keys(file, Keys(PUBLIC, SECRET, server=PUBLIC))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_keys(file) == Keys(PUBLIC, SECRET, server=PUBLIC)


def test_a_file_that_was_open_to_others_is_closed_when_it_is_written(tmp_path):
    file = tmp_path / "w.keys"
    file.write_text("")
    file.chmod(0o644)
    write_keys(file, Keys(PUBLIC, SECRET))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_secret_is_not_in_the_repr():
    assert SECRET not in repr(Keys(PUBLIC, SECRET))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode):
    file = tmp_path / "w.keys"
    write_keys(file, Keys(PUBLIC, SECRET))
    file.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        read_keys(file)
    assert caught.value.hint.startswith("chmod 600 ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no FOLDWARD_LINK__CURVE_PUBLIC_KEY"),
        (f"FOLDWARD_LINK__CURVE_PUBLIC_KEY='{PUBLIC}'\n", "has no FOLDWARD_LINK__CURVE_SECRET_KEY"),
        (
            "# x\nFOLDWARD_LINK__CURVE_PUBLIC_KEY='short'\n",
            "line 2: FOLDWARD_LINK__CURVE_PUBLIC_KEY is not 40",
        ),
        (
            f"FOLDWARD_LINK__CURVE_SECRET_KEY='{SECRET}~'\n",
            "line 1: FOLDWARD_LINK__CURVE_SECRET_KEY is not 40",
        ),
    ],
)
def test_what_is_no_key_file_is_refused_with_its_place(tmp_path, text, why):
    file = tmp_path / "w.keys"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=why) as caught:
        read_keys(file)
    assert SECRET not in str(caught.value)


def test_a_missing_file_and_a_binary_one_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_keys(tmp_path / "none")
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe\x00")
    os.chmod(file, 0o600)
    with pytest.raises(ConfigError, match="it is no text"):
        read_keys(file)


def test_exports_and_other_lines_are_understood_as_a_shell_would(tmp_path):
    file = tmp_path / "w.keys"
    file.write_text(
        f'export FOLDWARD_LINK__CURVE_PUBLIC_KEY="{PUBLIC}"\n'
        f"FOLDWARD_LINK__CURVE_SECRET_KEY={SECRET}\nOTHER=1\n"
    )
    file.chmod(0o600)
    assert read_keys(file) == Keys(PUBLIC, SECRET)


def test_z85_is_told_from_other_text():
    assert is_key(PUBLIC)
    assert not is_key(PUBLIC[:-1])
    assert not is_key(PUBLIC[:-1] + '"')
    assert not is_key(PUBLIC + "\n")
