"""What a tuned checkpoint takes along from the one that it started from."""

from transformers import PreTrainedTokenizerFast

from recipes.phantom_teachers import phantom_tokenizer
from recipes.train import carry_tokenizer


def test_a_tokenizer_is_carried_along(tmp_path):
    tokenizer = phantom_tokenizer()
    tokenizer.save_pretrained(tmp_path / "pretrained")
    (tmp_path / "tuned").mkdir()
    carry_tokenizer(tmp_path / "pretrained", tmp_path / "tuned")
    carried = PreTrainedTokenizerFast.from_pretrained(tmp_path / "tuned")
    assert carried.get_vocab() == tokenizer.get_vocab()


def test_a_checkpoint_without_a_tokenizer_gives_none(pretrained, tmp_path):
    carry_tokenizer(pretrained, tmp_path)
    assert not list(tmp_path.iterdir())
