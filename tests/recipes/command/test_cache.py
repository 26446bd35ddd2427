"""Where things are kept."""

import threading
import time
from pathlib import Path

from huggingface_hub import constants

from recipes.command.cache import cache_folder, made_by_one, representations_folder
from tests.command_process import run_command


def test_the_cache_is_looked_up_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    assert cache_folder("teachers") == tmp_path / "braintune" / "teachers"
    assert representations_folder(None) == tmp_path / "braintune" / "representations"
    assert representations_folder("mine") == Path("mine")


def test_help_names_no_folder_of_this_machine():
    printed = run_command("probe", "--help").stdout
    assert "--cache_dir" in printed and constants.HF_HOME not in printed


def test_who_waits_for_what_another_makes_is_told(tmp_path, capsys):
    place, order = tmp_path / "new" / "phantom-1", []

    def second():
        with made_by_one(place):
            order.append("second")

    thread = threading.Thread(target=second)
    with made_by_one(place):
        thread.start()
        while "Waiting" not in capsys.readouterr().err:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
