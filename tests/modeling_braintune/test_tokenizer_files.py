"""What a tuned checkpoint takes along from the one that it started from."""

import json

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from modeling_braintune import carry_tokenizer


def test_a_tokenizer_is_carried_along(tmp_path):
    words = Tokenizer(models.WordLevel({"<unk>": 0, "story": 1}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    tokenizer.save_pretrained(tmp_path / "pretrained")
    said = tmp_path / "pretrained" / "tokenizer_config.json"
    code = {"auto_map": {"AutoTokenizer": ["trap.Tokenizer", None]}}
    said.write_text(json.dumps(json.loads(said.read_text()) | code))
    (tmp_path / "tuned").mkdir()
    carry_tokenizer(tmp_path / "pretrained", tmp_path / "tuned")
    carried = PreTrainedTokenizerFast.from_pretrained(tmp_path / "tuned")
    assert carried.get_vocab() == tokenizer.get_vocab()
    assert "auto_map" not in (tmp_path / "tuned" / "tokenizer_config.json").read_text()


def test_a_checkpoint_without_a_tokenizer_gives_none(make_model, tmp_path):
    make_model("wav2vec2").save_pretrained(tmp_path / "pretrained")
    (tmp_path / "tuned").mkdir()
    carry_tokenizer(tmp_path / "pretrained", tmp_path / "tuned")
    assert not list((tmp_path / "tuned").iterdir())
