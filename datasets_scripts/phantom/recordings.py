"""A simulated listening experiment with planted truth, in the file layout of ds003020.

Stories in an invented language (`lexicon`) are spoken by a formant synthesiser (`speech`) and heard
by simulated participants. What each voxel responds to, and how well it can be predicted at best, is
known and written beside the data, so that everything measured on it has a right answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import h5py
import numpy as np
import soundfile
from scipy.fft import rfft, rfftfreq
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter
from scipy.spatial.distance import cdist
from scipy.special import ndtr
from scipy.stats import gamma, zscore

from ..recordings import write_anatomy, write_textgrid
from ..story import Interval, tr_midpoints
from ..whole_files import made_whole
from .cortex import MAP_MM, lay_out, smooth_fields
from .lexicon import CATEGORIES, CONTENT_WORDS, FUNCTION_WORDS, NEW_WORDS, semantic_vectors
from .speech import PHONES, SAMPLING_RATE, SILENCE, VOICES, synthesise

TEST_STORY = "repeated"
TR = 2.0
STEP = 0.1  # seconds between two values of a planted signal
BANDS = np.geomspace(100, 8000, 9)  # edges in Hz of the bands that auditory voxels are tuned to
FLOOR_DB = -45.0  # silence, relative to the story's mean power
PASSAGE = 120.0  # seconds in which a story with new words comes to them once, at the end
# Two TRs are left of 20 seconds, fewer of less; a noise ceiling takes two repeats.
LEAST = dict(seed=0, n_stories=0, seconds=20, test_seconds=20, n_repeats=2)
VOXEL_COUNTS = ("n_language", "n_auditory", "n_noise", "n_dead")


@dataclass(frozen=True)
class Told:
    """A story as told: what was said when, by whom and how, and what it meant."""

    words: list[Interval]
    phones: list[Interval]
    audio: np.ndarray
    meaning: np.ndarray  # (n_steps, n_semantic): vector of the word being said, 0 without one


def _contour(rng, n_steps, seconds, n=1):
    """Smooth Gaussian noise of unit variance with the given time scale, (n, n_steps)."""
    smooth = gaussian_filter1d(rng.standard_normal((n, n_steps)), seconds / STEP, axis=1)
    return smooth * np.sqrt(2 * np.sqrt(np.pi) * seconds / STEP)


def tell(seconds: float, rng: np.random.Generator, new_share: float = 0.0) -> Told:
    """Invent and speak a story.

    Topics drift: each word's category is drawn from a mixture that changes over some ten seconds;
    one word in six is a function word. Loudness, vocal effort, rate and speaker change on their
    own, independently of the topic.

    Parameters
    ----------
    seconds : float
        Length of the story; the last word may be cut off by silence.
    rng : numpy.random.Generator
    new_share : float
        Share of the time in which every content word is one of `NEW_WORDS`, which other stories do
        not hold: the end of every two minutes.

    Returns
    -------
    Told

    Raises
    ------
    ValueError
        `seconds` is too short for a word.
    """
    if not seconds >= 2:
        raise ValueError(f"seconds must be at least 2, to hold a word, got {seconds}")
    n_steps = round(seconds / STEP)
    topics = np.exp(4 * _contour(rng, n_steps, 7.0, len(CATEGORIES)))
    topics /= topics.sum(axis=0)
    loudness = 6 * _contour(rng, n_steps, 2.5)[0]
    brightness = 2.5 * _contour(rng, n_steps, 5.0)[0]
    rate = 1.25 * np.exp(0.15 * _contour(rng, n_steps, 6.0)[0])
    usual, new = (
        [[word for word in words if word.category == c] for c in range(len(CATEGORIES))]
        for words in (CONTENT_WORDS, NEW_WORDS)
    )

    words, phones, meant, voices = [], [], [], []
    time, voice, until_pause = 0.0, rng.integers(len(VOICES)), 0

    def say(label, duration):
        nonlocal time
        phones.append(Interval(time, time + duration, label))
        voices.append(voice)
        time += duration

    while time < seconds - 1.5:
        step = int(time / STEP)
        if until_pause == 0:
            say(SILENCE, rng.uniform(0.1, 0.5))
            until_pause = int(rng.integers(5, 10))
            if rng.random() < 0.25:
                voice = rng.integers(len(VOICES))
            continue
        until_pause -= 1
        if rng.random() < 1 / 6:
            word = FUNCTION_WORDS[rng.integers(len(FUNCTION_WORDS))]
        else:
            category = rng.choice(len(CATEGORIES), p=topics[:, step])
            in_new_words = time % PASSAGE >= (1 - new_share) * PASSAGE
            by_category = new if in_new_words else usual
            word = by_category[category][rng.integers(len(by_category[category]))]
        start = time
        for label in word.phones:
            say(label, PHONES[label].duration * rate[step] * rng.uniform(0.85, 1.15))
        words.append(Interval(start, time, word.label))
        meant.append(word.category)
    say(SILENCE, seconds - time)

    onsets = [int(phone.start / STEP) for phone in phones]
    audio = synthesise(phones, np.array(voices), loudness[onsets], brightness[onsets], rng)
    vectors = semantic_vectors()
    meaning = np.zeros((n_steps, vectors.shape[1]))
    for said, meant_category in zip(words, meant, strict=True):
        if meant_category is not None:
            meaning[round(said.start / STEP) : round(said.end / STEP)] = vectors[meant_category]
    return Told(words, phones, audio, meaning)


def log_spectrum(audio: np.ndarray, edges: Sequence[float] | np.ndarray) -> np.ndarray:
    """Power in dB per step and band, (n_steps, n_bands); silence is `FLOOR_DB`."""
    frames = audio[: len(audio) // (n := round(STEP * SAMPLING_RATE)) * n].reshape(-1, n)
    power = np.abs(rfft(frames, axis=1)) ** 2
    band = np.digitize(rfftfreq(n, 1 / SAMPLING_RATE), edges) - 1
    power = np.stack([power[:, band == b].sum(axis=1) for b in range(len(edges) - 1)], axis=1)
    return 10 * np.log10(power / power.mean() + 10 ** (FLOOR_DB / 10))


def hrf() -> np.ndarray:
    """The canonical double-gamma haemodynamic response per step: peak at 5 s, dip at 15 s."""
    time = np.arange(0, 32, STEP)
    response = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
    return response / response.sum()


def _felt(signal, tr_times):
    """A signal after the haemodynamic response, z-scored: (n_steps, n) to (n_trs, n)."""
    response = hrf()
    convolved = np.stack([np.convolve(column, response) for column in signal.T], axis=1)
    time = np.arange(len(convolved)) * STEP
    return zscore(np.stack([np.interp(tr_times, time, column) for column in convolved.T], axis=1))


def _voxels(rng, kind, common, loudness_share):
    """What every voxel of a participant responds to, and at what signal-to-noise ratio.

    `common`: values of the maps of all participants where this one's voxels come from,
    (1 + n_semantic, n_voxels), Gaussian.
    """
    n_voxels = len(kind)
    meaning = common[1:]
    best = ndtr(common[0]) * (len(BANDS) - 2)
    tuning = np.exp(-0.5 * (np.arange(len(BANDS) - 1)[:, None] - best) ** 2)
    snr = np.where(np.isin(kind, ["language", "auditory"]), rng.uniform(0.3, 1.5, n_voxels), 0.0)
    return {
        "kind": kind,
        "meaning": meaning / np.linalg.norm(meaning, axis=0),
        "tuning": tuning,
        "snr": snr.astype(np.float32),
        "loudness_share": np.where(kind == "language", loudness_share, 0.0),
    }


def _neighbours(places, fwhm):
    """Weights that make white noise smooth over voxels, each of unit variance: (n, n)."""
    if fwhm == 0:
        return np.eye(len(places))
    # Smoothed by a Gaussian, white noise has a covariance that is sqrt(2) wider.
    weights = np.exp(-4 * np.log(2) * (cdist(places, places) / fwhm) ** 2)
    return weights / np.linalg.norm(weights, axis=0)


def _noise(shape, autocorrelation, neighbours, rng):
    """Gaussian noise of unit variance, AR(1) over TRs and smooth over voxels."""
    n_repeats, n_trs, n_voxels = shape
    steps = rng.standard_normal((n_repeats, n_trs, n_voxels)) @ neighbours
    steps[:, 1:] *= np.sqrt(1 - autocorrelation**2)  # the first is a draw from the process
    return lfilter([1], [1, -autocorrelation], steps, axis=1)


def _planted(told, tr_times, voxels):
    """The noiseless response of every voxel, z-scored, (n_trs, n_voxels); 0 for noise voxels."""
    loudness = log_spectrum(told.audio, [0, SAMPLING_RATE])
    spectrum = log_spectrum(told.audio, BANDS)
    share = voxels["loudness_share"]
    language = np.sqrt(1 - share) * zscore(_felt(told.meaning, tr_times) @ voxels["meaning"])
    language = zscore(language + np.sqrt(share) * _felt(loudness, tr_times))
    auditory = zscore(_felt(spectrum, tr_times) @ voxels["tuning"])
    kind = voxels["kind"]
    return np.select([kind == "language", kind == "auditory"], [language, auditory], 0.0)


def _write_responses(path, planted, voxels, noise):
    """One story's file: the z-scored mean of its presentations, and these if there are several."""
    repeats = zscore(voxels["snr"] * planted + noise, axis=1)
    repeats[..., voxels["kind"] == "dead"] = np.nan
    with h5py.File(path, "w") as file:
        file["data"] = zscore(repeats.mean(axis=0)).astype(np.float32)
        if len(noise) > 1:
            file["individual_repeats"] = repeats.astype(np.float32)


def phantom_stories(n_stories: int) -> list[str]:
    """Names of the phantom's stories in order; the repeated test story comes last."""
    return [*(f"story{k + 1:02d}" for k in range(n_stories)), TEST_STORY]


def _check(settings):
    participants = settings["participants"]
    if isinstance(participants, str):
        raise TypeError(f"participants must be a list of names, got {participants!r}")
    if not participants or len(set(participants)) < len(participants):
        raise ValueError(f"participants must be one or more different names, got {participants}")
    for participant in participants:
        if Path(participant).name != participant:
            raise ValueError(f"a participant's name must not be a path, got {participant!r}")
    for name, least in (LEAST | dict.fromkeys(VOXEL_COUNTS, 0)).items():
        if not settings[name] >= least:
            raise ValueError(f"{name} must be at least {least}, got {settings[name]}")
    for name in VOXEL_COUNTS:
        if settings[name] % 1:
            raise ValueError(f"{name} must be a whole number, got {settings[name]}")
    if not any(settings[name] for name in VOXEL_COUNTS):
        raise ValueError(f"a participant needs voxels, got 0 for each of {VOXEL_COUNTS}")
    for name in ("loudness_share", "new_share"):
        if not 0 <= settings[name] <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {settings[name]}")
    if not 0 <= settings["autocorrelation"] < 1:
        raise ValueError(
            f"autocorrelation must be from 0 to below 1, got {settings['autocorrelation']}"
        )
    if not 0 <= settings["noise_fwhm"] < np.inf:
        raise ValueError(f"noise_fwhm must be at least 0, got {settings['noise_fwhm']}")


def make_phantom(
    root: str | PathLike[str],
    *,
    seed: int = 0,
    participants: Sequence[str] = ("P01", "P02"),
    n_stories: int = 34,
    seconds: float = 180.0,
    test_seconds: float = 480.0,
    n_repeats: int = 10,
    n_language: int = 100,
    n_auditory: int = 100,
    n_noise: int = 46,
    n_dead: int = 4,
    loudness_share: float = 0.2,
    new_share: float = 1 / 3,
    autocorrelation: float = 0.4,
    noise_fwhm: float = 8.0,
) -> bool:
    """Write a phantom listening experiment, or find it already written.

    Parameters
    ----------
    root : path
        Folder to write, in the layout of ds003020 (LeBel et al. 2023). It appears only when it is
        complete.
    seed : int
        Everything follows from it.
    participants : sequence of str
    n_stories : int
        Stories heard once; the story ``repeated`` comes on top.
    seconds, test_seconds : float
        Lengths of those stories and of the repeated one.
    n_repeats : int
        Presentations of the repeated story, kept as ``individual_repeats``.
    n_language, n_auditory, n_noise, n_dead : int
        Voxels of each kind. Language voxels follow meaning and loudness, auditory ones the spectrum
        around a frequency of their own, noise voxels nothing; dead voxels are NaN. Each kind lies
        in patches of its own on the cortex, in which meaning and frequency change smoothly; a
        participant's patches and maps are those of all, smoothly warped (`cortex`).
    loudness_share : float
        Share of a language voxel's explainable variance that is loudness, s. Removing low-level
        features from a perfect representation takes 100 (1 - sqrt(1 - s)) per cent of its alignment
        there.
    new_share : float
        Share of the repeated story that is told in words that no other story holds; see `tell`.
    autocorrelation : float
        Of the noise, which is AR(1), from one TR to the next.
    noise_fwhm : float
        Of the Gaussian, in mm, by which noise is smooth over voxels; 0 for none.

    Returns
    -------
    bool
        Whether it was made now; False where `root` already holds this very phantom.

    Raises
    ------
    FileExistsError
        `root` holds something else, or a phantom with other settings.
    TypeError
        `participants` is one name, not a list.
    ValueError
        No participant, or one twice; no voxel, or more than fit; stories too short to leave two
        TRs, fewer than two repeats, a count that is negative or broken, a share outside 0 to 1,
        noise that cannot be.
    """
    settings = {key: value for key, value in locals().items() if key != "root"}
    _check(settings)
    root = Path(root)
    expected = json.dumps({"settings": settings, "tr": TR}, indent=1)
    if root.exists():
        truth = root / "truth.json"
        if truth.exists() and truth.read_text() == expected:
            return False
        raise FileExistsError(
            f"{root} exists but is not a phantom with these settings; give another folder, "
            "or remove it"
        )

    with made_whole(root) as partial:
        _write_experiment(partial, **settings)
        (partial / "truth.json").write_text(expected)
    return True


def _write_experiment(
    root,
    *,
    seed,
    participants,
    n_stories,
    seconds,
    test_seconds,
    n_repeats,
    n_language,
    n_auditory,
    n_noise,
    n_dead,
    loudness_share,
    new_share,
    autocorrelation,
    noise_fwhm,
):
    derivative = root / "derivative"
    for folder in ("stimuli", "derivative/TextGrids"):
        (root / folder).mkdir(parents=True)
    counts = {"language": n_language, "auditory": n_auditory, "noise": n_noise, "dead": n_dead}
    n_semantic = len(CATEGORIES) - 1
    truth = {}
    brains, neighbours = {}, {}
    for index, participant in enumerate(participants):
        rng = np.random.default_rng([seed, 1, index])
        kinds, places, origins, anatomy = lay_out(counts, rng)
        maps = np.random.default_rng([seed, 4])  # anew: the same for every participant
        common = smooth_fields(origins, 1 + n_semantic, MAP_MM, maps)
        voxels = _voxels(rng, kinds, common, loudness_share)
        brains[participant], neighbours[participant] = voxels, _neighbours(places, noise_fwhm)
        (derivative / "preprocessed_data" / participant).mkdir(parents=True)
        anatomy.regions = {kind: np.flatnonzero(kinds == kind) for kind in ("language", "auditory")}
        write_anatomy(anatomy, participant, derivative)
        snr2 = voxels["snr"] ** 2
        ceiling = np.sqrt(n_repeats * snr2 / (1 + n_repeats * snr2))
        ceiling[voxels["kind"] == "dead"] = np.nan
        truth |= {f"{participant}/{key}": value for key, value in voxels.items()}
        truth[f"{participant}/ceiling"] = ceiling

    raw_trs = {}
    for index, story in enumerate(phantom_stories(n_stories)):
        is_test = story == TEST_STORY
        length = test_seconds if is_test else seconds
        rng = np.random.default_rng([seed, 2, index])
        told = tell(length, rng, new_share if is_test else 0)
        raw_trs[story] = int((length + 10) // TR) + 7
        tr_times = tr_midpoints(raw_trs[story], TR)
        soundfile.write(root / "stimuli" / f"{story}.wav", told.audio, SAMPLING_RATE, "PCM_16")
        grid = derivative / "TextGrids" / f"{story}.TextGrid"
        write_textgrid(grid, {"phone": told.phones, "word": told.words}, length)
        truth[f"{story}/meaning"] = told.meaning.astype(np.float32)
        for who, participant in enumerate(participants):
            voxels = brains[participant]
            path = derivative / "preprocessed_data" / participant / f"{story}.hf5"
            rng = np.random.default_rng([seed, 3, index, who])
            planted = _planted(told, tr_times, voxels)
            shape = (n_repeats if is_test else 1, *planted.shape)
            noise = _noise(shape, autocorrelation, neighbours[participant], rng)
            _write_responses(path, planted, voxels, noise)
    (derivative / "respdict.json").write_text(json.dumps(raw_trs))
    np.savez_compressed(root / "truth.npz", **truth)
