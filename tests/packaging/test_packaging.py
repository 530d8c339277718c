"""What is shipped: generated pages in step, package data there, every import contract kept."""

import configparser
import glob
import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_generated_pages_are_in_step_with_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/gen_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_product_cannot_be_uploaded_by_accident() -> None:
    assert "Private :: Do Not Upload" in metadata.metadata("foldward").get_all("Classifier", [])


def test_pages_templates_and_prices_are_package_data() -> None:
    for package, name in (
        ("foldward.web", "static/foldward.css"),
        ("foldward.web", "static/vendor/htmx-LICENSE.txt"),
        ("foldward.web", "templates/overview.html"),
        ("foldward.app", "templates/report.html.j2"),
        ("foldward.app", "demo/strategies.toml"),
        ("foldward.data", "bundled/EURUSD_H1.csv"),
    ):
        assert resources.files(package).joinpath(name).is_file(), name


def test_a_wheel_has_every_file_that_the_product_reads() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    patterns = settings["options.package_data"]["*"].split(", ")
    for top in ("actors", "foldward", "storage", "supervision"):
        packages = [init.parent for init in (ROOT / top).rglob("__init__.py")]
        shipped = {
            package / name
            for package in packages
            for pattern in patterns
            for name in glob.glob(pattern, root_dir=package, recursive=True)
        }
        known = (".py", ".pyc", ".nbi", ".nbc", ".md")  # code, numba's cache, and notes for its readers
        needed = {file for file in (ROOT / top).rglob("*.*") if file.is_file() and file.suffix not in known}
        assert needed - shipped == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [("foldward oos su", "submit"), ("foldward dead re", "replay"), ("foldward ver", "verdicts")],
)
def test_the_shell_completes_commands(words: str, offered: str) -> None:
    asked = {"_FOLDWARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-c", "from foldward.cli import main; main()"]
    done = subprocess.run(
        command, env={**os.environ, **asked}, capture_output=True, text=True, check=False, timeout=60
    )
    assert offered in done.stdout.split()


def test_the_top_package_imports_nothing() -> None:
    code = "import sys; before = set(sys.modules); import foldward; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['foldward']"


def test_the_procfile_names_the_two_processes() -> None:
    assert (ROOT / "Procfile").read_text() == "core: exec foldward core\nweb: exec foldward web\n"
