"""Which sounds a page offers: those given, those of the card, or the phantom's."""

from pathlib import Path

import soundfile

from recipes.command import examples
from recipes.command.examples import offered
from tests.small_brains import bursts

CARD = """---
model-index:
- name: tuned
  results:
  - task: {{type: brain-encoding}}
    dataset: {{name: {}, type: study}}
    metrics: [{{type: brain_alignment, value: 0.5}}]
---
"""


def test_a_checkpoint_of_the_phantom_comes_with_its_stories(tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "recordings_folder", lambda _: str(tmp_path))
    folders = {name: tmp_path / name for name in ("phantom", "study")}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "README.md").write_text(CARD.format(name))
    stories = [tmp_path / "stimuli" / f"{name}.wav" for name in ("repeated", "story01")]
    assert offered([], map(str, folders.values())) == stories
    assert offered([], [str(folders["study"])]) == []
    assert offered(["own.wav"], [str(folders["phantom"])]) == [Path("own.wav")]


def test_examples_of_a_card_are_files_beside_it(tmp_path):
    (tmp_path / "README.md").write_text(
        "---\nwidget:\n- {example_title: Hello, src: hello.wav}\n- src: absent.wav\n"
        "- src: https://example.org/far.wav\n- text: no sound\n---\n"
    )
    assert offered([], [str(tmp_path)]) == []
    soundfile.write(tmp_path / "hello.wav", bursts(2.0), 16000)
    assert offered([], [str(tmp_path)]) == [tmp_path / "hello.wav"]
    assert offered(["own.wav"], [str(tmp_path)]) == [Path("own.wav")]
