"""Where compiled code is kept, and that the rest of the process does not notice."""

import subprocess
import sys
from pathlib import Path

from numba.core import config

from foldward.backtest import _compile, _kernels


def test_the_folder_is_keyed_by_the_modules_content(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    source = tmp_path / "kernels.py"
    source.write_text("a = 1\n")
    first = _compile.cache_folder(str(source))
    assert first == _compile.cache_folder(str(source))
    assert Path(first).parent == tmp_path / "foldward" / "kernels"
    source.write_text("a = 2\n")
    assert _compile.cache_folder(str(source)) != first


def test_an_unwritable_cache_falls_back_to_a_private_folder(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setattr(_compile.tempfile, "gettempdir", lambda: str(tmp_path))
    source = tmp_path / "kernels.py"
    source.write_text("a = 1\n")
    folder = Path(_compile.cache_folder(str(source)))
    assert folder.is_dir()
    assert folder.parent.name.startswith("foldward-kernels-")


def test_numbas_own_setting_is_left_alone():
    assert "foldward/kernels" not in str(config.CACHE_DIR)


def test_checking_a_definition_loads_no_compiler():
    code = (
        "import sys; from foldward.backtest import ENGINE_VERSION, KINDS, parse_level, resolve_params;"
        "from foldward.backtest import validate_strategy;"
        "assert resolve_params('sma', {})['sma_long'] == 20;"
        "assert 'numba' not in sys.modules and 'numpy' not in sys.modules, 'too much imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_the_compiler_is_told_to_keep_ieee_arithmetic():
    options = _kernels.simulate.targetoptions
    assert options["fastmath"] is False
    assert options["nogil"] is True
    assert not options.get("parallel")
