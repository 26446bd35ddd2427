"""Whether representations of words prefer meaning or sound (Moussa et al. 2025, appendix C)."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from .statistics import percentile_interval
from .zscore import ROUNDING

KINDS = ("semantic", "phonetic", "random")


def word_means(representations: np.ndarray, words: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Average the representations of each word's tokens.

    Parameters
    ----------
    representations : array of shape (n_layers, n_tokens, hidden)
    words : sequence of str, one per token

    Returns
    -------
    means : array of shape (n_layers, n_words, hidden)
    vocabulary : list of str
        The words, in alphabetical order.

    Raises
    ------
    ValueError
        There is not one word for each token.
    """
    if representations.ndim != 3 or not len(words) == representations.shape[1] > 0:
        raise ValueError(
            "representations must be (n_layers, n_tokens, hidden) with a word for each token, got "
            f"shape {representations.shape} and {len(words)} words"
        )
    vocabulary, which, counts = np.unique(words, return_inverse=True, return_counts=True)
    averaging = _averaging(np.split(np.argsort(which), np.cumsum(counts)[:-1]), len(words))
    return np.stack([averaging @ layer for layer in representations]), vocabulary.tolist()


def word_distances(
    representations: np.ndarray,
    vocabulary: Sequence[str],
    neighbours: dict[str, dict[str, list[str]]],
    n_random: int = 10,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Cosine distances of words from their neighbours, averaged over the neighbours of a kind.

    Parameters
    ----------
    representations : array of shape (n_layers, n_vocabulary, hidden)
    vocabulary : sequence of str
        Which word each of them represents.
    neighbours : dict of {str: {"semantic": list of str, "phonetic": list of str}}
        All words of it in the vocabulary.
    n_random : int
        Control: as many words are drawn, for each word, from those that are neither kind of
        neighbour; all are taken where there are fewer.
    seed : int

    Returns
    -------
    dict of {str: array of shape (n_layers, n_words)}
        "semantic", "phonetic" and "random": 1 - cosine, for the words in the order of
        `neighbours`; "d": semantic minus phonetic, positive where sound brings words together and
        negative where meaning does.

    Raises
    ------
    ValueError
        Shapes do not match; a representation is not finite, or all 0; there is no word, or one that
        is not in the vocabulary, lacks neighbours of a kind, or has no other word than neighbours.
    """
    if representations.ndim != 3 or representations.shape[1] != len(vocabulary):
        raise ValueError(
            f"representations must be (n_layers, {len(vocabulary)}, hidden), for as many words, "
            f"got shape {representations.shape}"
        )
    if not neighbours:
        raise ValueError("neighbours must hold at least one word, got none")
    norms = np.linalg.norm(representations.astype(np.float64), axis=-1, keepdims=True)
    bad = np.argwhere(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        row, word, _ = bad[0]
        raise ValueError(
            f"representations must be finite and not all 0, which that of {vocabulary[word]!r} in "
            f"row {row} is not, one of {len(bad)}"
        )
    index = {word: i for i, word in enumerate(vocabulary)}
    drawn = _drawn(index, neighbours, n_random, seed)
    heads = [index[word] for word in neighbours]
    averaging = {kind: _averaging(drawn[kind], len(index)) for kind in KINDS}
    units = [layer / norm for layer, norm in zip(representations, norms, strict=True)]
    distances = {
        # The mean of cosines is the cosine's numerator with the mean of vectors of unit length.
        kind: np.stack([1 - (unit[heads] * (averaging[kind] @ unit)).sum(axis=1) for unit in units])
        for kind in KINDS
    }
    return distances | {"d": distances["semantic"] - distances["phonetic"]}


def preference(
    distances: dict[str, np.ndarray],
    neighbours: dict[str, dict[str, list[str]]],
    baseline: dict[str, np.ndarray] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, dict]]:
    """Average distances over words, with 95 % bootstrap intervals.

    A word with its neighbours is the unit that is resampled; the same resamples serve all layers.
    Two words that are each other's neighbours bring the same distance twice, so that fewer words
    are drawn than there are: as many as would bring as much if no distance came twice.

    Parameters
    ----------
    distances : dict of {str: array of shape (n_layers, n_words)}
        As `word_distances` returns them.
    neighbours : dict
        Those that they are the distances from.
    baseline : dict, optional
        The same words' distances in another model, with as many layers.
    n_resamples, seed : int

    Returns
    -------
    list of dict of {str: {"value": float, "interval": (low, high), "n": int}}
        For each layer, "d", "d_relative", d over the distance of random words, "semantic",
        "phonetic" and "random", n being the number of words; with a baseline also "d_change" and
        "d_relative_change", d and d_relative minus the baseline's. d alone rises and falls with
        all distances of a layer, which d_relative takes out; its value and interval are None where
        all words of the layer are alike.

    Raises
    ------
    ValueError
        The baseline's d is of another shape.
    """
    n_layers, n_words = distances["d"].shape
    if baseline is not None and baseline["d"].shape != (n_layers, n_words):
        raise ValueError(
            f"the baseline must have distances of shape {(n_layers, n_words)} too, got "
            f"{baseline['d'].shape}"
        )
    chance = np.full(n_words, 1 / n_words)
    n_drawn = max(1, round(n_words / _redundancy(neighbours)))
    shares = np.random.default_rng(seed).multinomial(n_drawn, chance, size=n_resamples) / n_drawn
    shares = np.vstack([chance, shares])  # first, as observed
    found = []
    for row in range(n_layers):
        drawn = _measures(distances, row, shares)
        if baseline is not None:
            before = _measures(baseline, row, shares)
            for name in ("d", "d_relative"):
                drawn[f"{name}_change"] = drawn[name] - before[name]
        found.append({name: _score(values) | {"n": n_words} for name, values in drawn.items()})
    return found


def _measures(distances, row, shares):
    """Of a layer: measures by resample, each (1 + n_resamples,)."""
    means = {name: shares @ distances[name][row] for name in ("d", *KINDS)}
    spread = means["random"]
    relative = np.full_like(spread, np.nan)
    np.divide(means["d"], spread, out=relative, where=bool((spread > ROUNDING).all()))
    return {"d": means.pop("d"), "d_relative": relative, **means}


def _score(drawn):
    """What was observed, with its interval; None where that means nothing."""
    if np.isnan(drawn).any():
        return {"value": None, "interval": (None, None)}
    return {"value": float(drawn[0]), "interval": percentile_interval(drawn[1:])}


def _redundancy(neighbours):
    """Variance of d over what it were if no distance came twice, from 1 to 2.

    d is a weighted sum of distances; one that comes twice has the sum of its weights.
    """
    weights = {
        (word, other): sign / len(kinds[kind])
        for word, kinds in neighbours.items()
        for kind, sign in (("semantic", 1), ("phonetic", -1))
        for other in kinds[kind]
    }
    twice = sum(w * weights.get((other, word), 0) for (word, other), w in weights.items())
    return 1 + max(0, twice) / sum(w**2 for w in weights.values())


def _averaging(chosen, n_columns):
    """Sparse matrix whose rows take the mean over the chosen ones."""
    counts = [len(columns) for columns in chosen]
    weights = np.repeat(1 / np.array(counts), counts)
    ends = np.cumsum([0, *counts])
    return csr_array((weights, np.concatenate(chosen), ends), shape=(len(chosen), n_columns))


def _drawn(index, neighbours, n_random, seed):
    """{kind: places in the vocabulary of each word's neighbours}."""
    rng = np.random.default_rng(seed)
    drawn = {kind: [] for kind in KINDS}
    for word, kinds in neighbours.items():
        known = {kind: kinds[kind] for kind in ("semantic", "phonetic")}
        unknown = [w for w in (word, *known["semantic"], *known["phonetic"]) if w not in index]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r}, among the neighbours of {word!r}, has no representation"
            )
        chosen = {kind: [index[w] for w in found] for kind, found in known.items()}
        related = [index[word], *chosen["semantic"], *chosen["phonetic"]]
        unrelated = np.delete(np.arange(len(index)), related)
        chosen["random"] = rng.permutation(unrelated)[:n_random]
        for kind, places in chosen.items():
            if not len(places):
                raise ValueError(f"{word!r} must have a {kind} neighbour in the vocabulary")
            drawn[kind].append(places)
    return drawn
