"""Where things are kept."""

from pathlib import Path

from huggingface_hub import constants

from recipes.command.cache import cache_folder, representations_folder
from tests.command_process import run_command


def test_the_cache_is_looked_up_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    assert cache_folder("teachers") == tmp_path / "braintune" / "teachers"
    assert representations_folder(None) == tmp_path / "braintune" / "representations"
    assert representations_folder("mine") == Path("mine")


def test_help_names_no_folder_of_this_machine():
    printed = run_command("probe", "--help").stdout
    assert "--cache_dir" in printed and constants.HF_HOME not in printed
