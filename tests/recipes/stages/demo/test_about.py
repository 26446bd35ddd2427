"""What a checkpoint's card and configuration say, and what they do not."""

from recipes.stages.demo.about import about
from tests.small_brains import brain

CARD = """---
license: cc-by-4.0
model-index:
- name: tuned
  results:
  - task: {type: brain-encoding}
    dataset: {name: a listening study, type: study}
    metrics: [{type: brain_alignment, value: 0.5}]
---
# Tuned
"""


def test_whose_brain_what_data_and_which_licence(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    said = about(str(tmp_path), brain("UTS03"))
    for part in (
        "UTS03's brain: 4 of 9 recorded voxels, a volume every 2 s",
        "Tuned on measured responses to 2 stories, data set a listening study.",
        "Licence: cc-by-4.0.",
        "a model's prediction",
    ):
        assert part in said


def test_a_control_is_called_one_and_a_card_may_be_missing(tmp_path):
    said = about(str(tmp_path), brain(targets="permuted", data={}))
    assert "a control's targets (permuted)." in said
    assert "Licence: not known." in said
