"""Preference between meaning and sound: planted truths, and the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from evaluate_metrics.preference import preference, word_distances, word_means

N_MEANINGS, N_PHONES = 40, 12


@pytest.fixture(scope="module")
def lexicon():
    """200 invented words of three phones and a meaning: {word: (phones, meaning)}."""
    rng = np.random.default_rng(0)
    return {
        f"w{i:03d}": (tuple(rng.integers(N_PHONES, size=3)), int(rng.integers(N_MEANINGS)))
        for i in range(200)
    }


@pytest.fixture(scope="module")
def neighbours(lexicon):
    """Words of one meaning without a phone in common; words of another with two."""
    found = {}
    for word, (phones, meaning) in lexicon.items():
        kinds = {"semantic": [], "phonetic": []}
        for other, (others, its) in lexicon.items():
            shared = sum(a == b for a, b in zip(phones, others, strict=True))
            if its == meaning and shared == 0:
                kinds["semantic"].append(other)
            elif its != meaning and shared == 2:
                kinds["phonetic"].append(other)
        if all(kinds.values()):
            found[word] = kinds
    assert len(found) > 100
    return found


def of_phones(lexicon):
    return np.stack([np.eye(N_PHONES)[list(phones)].ravel() for phones, _ in lexicon.values()])


def of_meanings(lexicon):
    return np.eye(N_MEANINGS)[[meaning for _, meaning in lexicon.values()]]


def of_neither(lexicon, seed):
    return np.random.default_rng(seed).standard_normal((len(lexicon), 50))


def padded(*layers):
    """Layers of one width, (n_layers, n_words, hidden)."""
    width = max(layer.shape[1] for layer in layers)
    return np.stack([np.pad(layer, [(0, 0), (0, width - layer.shape[1])]) for layer in layers])


def test_d_is_positive_for_phones_negative_for_meanings_and_0_for_neither(lexicon, neighbours):
    layers = padded(of_phones(lexicon), of_meanings(lexicon), of_neither(lexicon, 1))
    phones, meanings, neither = preference(
        word_distances(layers, list(lexicon), neighbours), neighbours
    )
    # Of the three phones, synonyms share none and near-homophones two; of meanings, the reverse.
    assert phones["semantic"]["value"] == pytest.approx(1)
    assert phones["phonetic"]["value"] == pytest.approx(1 / 3)
    assert phones["d"]["interval"] == pytest.approx((2 / 3, 2 / 3))
    assert phones["random"]["value"] == pytest.approx(1 - 1 / N_PHONES, abs=0.03)
    distances = [meanings[name]["value"] for name in ("semantic", "phonetic", "d")]
    assert distances == pytest.approx([0, 1, -1])
    assert meanings["random"]["value"] > 0.98  # few are of one meaning and share a phone
    low, high = neither["d"]["interval"]
    assert low < 0 < high and -0.05 < low < high < 0.05
    for layer in (phones, meanings, neither):
        assert {score["n"] for score in layer.values()} == {len(neighbours)}


def test_intervals_cover_0_as_often_as_they_say(lexicon, neighbours):
    layers = np.stack([of_neither(lexicon, seed) for seed in range(400)])
    found = preference(word_distances(layers, list(lexicon), neighbours), neighbours)
    covered = [low <= 0 <= high for low, high in (layer["d"]["interval"] for layer in found)]
    assert 0.92 < np.mean(covered) < 0.98


def test_d_falls_as_meaning_takes_the_place_of_sound(lexicon, neighbours):
    shares = np.linspace(0, 1, 6)
    sound, meaning = padded(of_phones(lexicon) / np.sqrt(3), of_meanings(lexicon))
    layers = np.stack([np.hstack([(1 - s) * sound, s * meaning]) for s in shares])
    found = preference(word_distances(layers, list(lexicon), neighbours), neighbours)
    values = np.array([layer["d"]["value"] for layer in found])
    assert (np.diff(values) < 0).all()
    # With a share s of meaning, cosines are those of sound and meaning by (1 - s)^2 and s^2.
    weights = (1 - shares) ** 2, shares**2
    np.testing.assert_allclose(values, (2 / 3 * weights[0] - weights[1]) / sum(weights), atol=1e-12)


def test_the_change_is_paired_by_words(lexicon, neighbours):
    sound, meaning = padded(of_phones(lexicon), of_meanings(lexicon))
    noisy = sound + 0.2 * np.random.default_rng(2).standard_normal(sound.shape)
    before = word_distances(noisy[None], list(lexicon), neighbours)
    after = word_distances((noisy + 0.3 * meaning)[None], list(lexicon), neighbours)
    (found,) = preference(after, neighbours, before)
    (alone,), (reference,) = preference(after, neighbours), preference(before, neighbours)
    assert found.keys() - alone.keys() == {"d_change", "d_relative_change"}
    assert found["d_change"]["value"] == pytest.approx(
        alone["d"]["value"] - reference["d"]["value"]
    )
    assert np.ptp(found["d_change"]["interval"]) < np.ptp(alone["d"]["interval"])
    (same,) = preference(before, neighbours, before)
    assert (same["d_change"]["value"], same["d_change"]["interval"]) == (0, (0, 0))


def test_d_over_random_words_stays_where_all_words_draw_together(lexicon, neighbours):
    """A part that all words share scales every distance by the same factor, and d with them."""
    phones = of_phones(lexicon) / np.sqrt(3)
    shared = np.full((len(phones), 1), 1.0)
    layers = padded(phones, np.hstack([np.sqrt(0.4) * phones, np.sqrt(0.6) * shared]))
    apart, together = preference(
        word_distances(layers, list(lexicon), neighbours), neighbours, n_resamples=4000
    )
    assert together["d"]["value"] == pytest.approx(0.4 * apart["d"]["value"])
    assert together["random"]["value"] == pytest.approx(0.4 * apart["random"]["value"])
    expected = apart["d"]["value"] / apart["random"]["value"]
    assert apart["d_relative"]["value"] == pytest.approx(expected)
    assert together["d_relative"]["value"] == pytest.approx(expected)
    assert together["d_relative"]["interval"] == pytest.approx(apart["d_relative"]["interval"])
    low, high = apart["d_relative"]["interval"]
    assert low < expected < high


def test_intervals_are_percentiles_of_the_mean_over_resampled_words():
    per_word = np.random.default_rng(0).exponential(size=(1, 400))
    distances = dict.fromkeys(("d", "semantic", "phonetic", "random"), per_word)
    alone = {f"w{i}": {"semantic": [f"s{i}"], "phonetic": [f"p{i}"]} for i in range(400)}
    (found,) = preference(distances, alone, n_resamples=4000)
    drawn = np.random.default_rng(1).integers(400, size=(4000, 400))
    expected = np.quantile(per_word[0][drawn].mean(axis=1), [0.025, 0.975])
    assert found["d"]["value"] == pytest.approx(per_word.mean())
    np.testing.assert_allclose(found["d"]["interval"], expected, atol=0.01)
    assert preference(distances, alone, n_resamples=4000) == [found]


def test_mutual_neighbours_count_once():
    rng = np.random.default_rng(0)
    of_pairs = rng.standard_normal((1, 300))
    names = ("d", "semantic", "phonetic", "random")
    once = {f"a{i}": {"semantic": [f"b{i}"], "phonetic": [f"c{i}"]} for i in range(300)}
    twice = {
        f"{x}{i}": {"semantic": [f"{y}{i}"], "phonetic": [f"{z}{i}"]}
        for x, y, z in ("abc", "bad", "cda", "dcb")
        for i in range(150)
    }
    first = preference(dict.fromkeys(names, of_pairs), once)
    again = preference(dict.fromkeys(names, np.tile(of_pairs, 2)), twice)
    assert first[0]["d"]["value"] == pytest.approx(again[0]["d"]["value"])
    np.testing.assert_allclose(first[0]["d"]["interval"], again[0]["d"]["interval"], atol=0.02)


VOCABULARY = list("abcdefg")
NEIGHBOURS = {
    "a": {"semantic": ["b", "c"], "phonetic": ["d"]},
    "g": {"semantic": ["a"], "phonetic": ["b", "e", "f"]},
}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_distances_are_means_of_cosine_distances(seed, scale):
    rng = np.random.default_rng(seed)
    layers = rng.standard_normal((2, 7, 5))
    found = word_distances(layers, VOCABULARY, NEIGHBOURS)
    unrelated = {"a": ["e", "f", "g"], "g": ["c", "d"]}
    for column, (word, kinds) in enumerate(NEIGHBOURS.items()):
        for kind, others in (kinds | {"random": unrelated[word]}).items():
            for row, layer in enumerate(layers):
                of = dict(zip(VOCABULARY, layer, strict=True))
                expected = np.mean([cosine(of[word], of[other]) for other in others])
                assert found[kind][row, column] == pytest.approx(expected)
    np.testing.assert_allclose(found["d"], found["semantic"] - found["phonetic"])
    scaled = word_distances(scale * layers, VOCABULARY, NEIGHBOURS)
    exchanged = {
        word: {"semantic": kinds["phonetic"], "phonetic": kinds["semantic"]}
        for word, kinds in NEIGHBOURS.items()
    }
    np.testing.assert_allclose(scaled["d"], found["d"], atol=1e-12)
    np.testing.assert_allclose(
        word_distances(layers, VOCABULARY, exchanged)["d"], -found["d"], atol=1e-12
    )


def test_random_words_are_drawn_by_seed_and_are_no_neighbours():
    layers = np.eye(30)[None]  # the distance of any two words is 1, from neighbours 0
    vocabulary = [f"w{i}" for i in range(30)]
    layers[0, 1:3] = layers[0, 0]
    neighbours = {"w0": {"semantic": ["w1"], "phonetic": ["w2"]}}
    assert word_distances(layers, vocabulary, neighbours)["random"] == [[1]]
    layers = np.random.default_rng(0).standard_normal((1, 30, 9))
    drawn = [word_distances(layers, vocabulary, neighbours, seed=s)["random"] for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_means_are_over_the_tokens_of_a_word():
    tokens = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    means, vocabulary = word_means(tokens, ["dog", "cat", "dog", "dog"])
    assert vocabulary == ["cat", "dog"]
    np.testing.assert_allclose(means[:, 0], tokens[:, 1])
    np.testing.assert_allclose(means[:, 1], tokens[:, [0, 2, 3]].mean(axis=1))


@pytest.mark.parametrize(("n_tokens", "words"), [(3, ["a", "b"]), (0, [])])
def test_a_word_for_each_token(n_tokens, words):
    with pytest.raises(ValueError, match=rf"shape \(2, {n_tokens}, 3\) and {len(words)} words"):
        word_means(np.zeros((2, n_tokens, 3)), words)


def test_what_cannot_be_measured_is_an_error():
    layers = np.random.default_rng(0).standard_normal((2, 7, 5))
    for changes, message in (
        ({"h": NEIGHBOURS["a"]}, "'h', among the neighbours of 'h', has no representation"),
        ({"a": {"semantic": ["x"], "phonetic": ["d"]}}, "'x', among the neighbours of 'a'"),
        ({"a": {"semantic": ["b"], "phonetic": []}}, "'a' must have a phonetic neighbour"),
        ({"a": {"semantic": list("bcd"), "phonetic": list("efg")}}, "'a' must have a random"),
        ({}, "at least one word, got none"),
    ):
        with pytest.raises(ValueError, match=message):
            word_distances(layers, VOCABULARY, changes)
    with pytest.raises(ValueError, match=r"\(n_layers, 7, hidden\).* got shape \(2, 6, 5\)"):
        word_distances(layers[:, :6], VOCABULARY, NEIGHBOURS)
    for value in (0, np.nan, np.inf):
        spoilt = layers.copy()
        spoilt[1, 3] = value
        with pytest.raises(ValueError, match="that of 'd' in row 1 is not, one of 1"):
            word_distances(spoilt, VOCABULARY, NEIGHBOURS)
    found = word_distances(layers, VOCABULARY, NEIGHBOURS)
    other = word_distances(layers[:1], VOCABULARY, NEIGHBOURS)
    with pytest.raises(ValueError, match=r"of shape \(2, 2\) too, got \(1, 2\)"):
        preference(found, NEIGHBOURS, other)
