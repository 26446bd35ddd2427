"""Small teachers of the phantom's language, and what a taught one knows of meaning."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from huggingface_hub import constants
from sklearn.linear_model import RidgeCV
from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer, set_seed

from datasets_scripts.phantom.lexicon import (
    CATEGORIES,
    CONTENT_WORDS,
    FUNCTION_WORDS,
    semantic_vectors,
)
from datasets_scripts.phantom.recordings import tell
from modeling_braintune.teachers import speech_representations, text_representations
from recipes.phantom.teachers import TEACHERS, phantom_teacher, phantom_tokenizer, teach_words


@pytest.fixture(scope="module")
def told():
    """A story that no teacher was taught."""
    return tell(90.0, np.random.default_rng(0))


def test_every_word_of_the_language_is_a_token():
    tokenizer = phantom_tokenizer()
    words = [word.label for word in (*CONTENT_WORDS, *FUNCTION_WORDS)]
    start, *tokens = tokenizer(" ".join(words)).input_ids
    assert start == tokenizer.bos_token_id
    assert tokenizer.convert_ids_to_tokens(tokens) == words
    assert tokenizer("zebra").input_ids == [start, tokenizer.unk_token_id]


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_is_made_once_and_is_an_ordinary_checkpoint(name, told, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    options = dict(steps=1, n_stories=1, progress=False)
    folder, made = phantom_teacher(name, **options)
    assert made
    assert phantom_teacher(name, **options) == (folder, False)
    # Nothing half-made stays beside it.
    assert [path for path in (tmp_path / "braintune").iterdir() if path.is_dir()] == [folder]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # weights are as others
    if "whisper" in name:
        model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
        found = speech_representations(model, processor, told.audio, told.words[-20:], [2])
    else:
        model = AutoModelForCausalLM.from_pretrained(folder)
        words = [word.label for word in told.words[-20:]]
        found = text_representations(model, AutoTokenizer.from_pretrained(folder), words, [2])
    assert found.shape == (20, model.config.hidden_size)
    assert found.std(axis=0).min() > 0


@pytest.mark.parametrize("name", ["phantom-gpt2-untaught", "phantom-llama"])
def test_spelling_alone_says_nothing_of_meaning(name):
    model, tokenizer = TEACHERS[name]()
    words = tokenizer.convert_tokens_to_ids([word.label for word in CONTENT_WORDS])
    spelt = model.get_input_embeddings().weight.detach().double().numpy()[words]
    categories = np.array([word.category for word in CONTENT_WORDS])
    means = [spelt[categories == category].mean(axis=0) for category in categories]
    np.testing.assert_allclose(means, np.tile(spelt.mean(axis=0), (len(means), 1)), atol=1e-8)
    assert len(np.unique(spelt.round(6), axis=0)) == len(CONTENT_WORDS)  # told apart


def test_a_teacher_that_is_being_made_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        (one, made), (other, made_too) = pool.map(phantom_teacher, ["phantom-gpt2-untaught"] * 2)
    assert one == other and sorted([made, made_too]) == [False, True]
    AutoModelForCausalLM.from_pretrained(one)


def readable_meaning(model, told):
    """Correlation of planted meaning with what a ridge reads off words that it was not fitted on.

    Of every category, each word in turn is left out: who tells words apart by form alone knows
    nothing of those.
    """
    content = {word.label: word for word in CONTENT_WORDS}
    labels = [word.label for word in told.words]
    vectors = text_representations(model, phantom_tokenizer(), labels)
    kept = np.isin(labels, list(content))
    meaning = semantic_vectors()[[content[word].category for word in np.array(labels)[kept]]]
    turn = np.array(
        [CONTENT_WORDS.index(content[w]) // len(CATEGORIES) for w in labels if w in content]
    )
    scores = []
    for left_out in range(len(CATEGORIES)):
        here = turn == left_out
        ridge = RidgeCV(np.logspace(-2, 5, 15)).fit(vectors[kept][~here], meaning[~here])
        scores.append(
            np.corrcoef(ridge.predict(vectors[kept][here]).ravel(), meaning[here].ravel())
        )
    return np.mean(scores, axis=0)[0, 1]


@pytest.mark.parametrize("name", ["phantom-gpt2", "phantom-llama"])
def test_a_taught_teacher_carries_the_planted_meaning(name, told):
    set_seed(0)
    model, tokenizer = TEACHERS[name]()
    untaught = readable_meaning(model, told)
    teach_words(model, tokenizer, steps=100, n_stories=30, progress=False)
    assert untaught < 0.1
    assert readable_meaning(model, told) > 0.6
