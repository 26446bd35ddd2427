"""Break the method on purpose, one line at a time, and list what no test notices.

    python tests/mutants.py
    python tests/mutants.py --only head

By hand, in some minutes: for each mutant the files of tests that should fail are run on a copy of
this repository. What they do not notice is a survivor, and the exit status is 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
COPIED = ("datasets_scripts", "evaluate_metrics", "modeling_braintune", "recipes", "tests")


class Mutant(NamedTuple):
    """A wrong line in place of a right one.

    Parameters
    ----------
    what : str
        What is wrong then.
    file : str
    right, wrong : str
        The right text stands in the file exactly once.
    tests : str
        Files that should fail, and options of pytest.
    """

    what: str
    file: str
    right: str
    wrong: str
    tests: str


MUTANTS = [
    Mutant(
        "a head is scored on windows that end a TR early",
        "recipes/stages/measuring.py",
        "training_windows(test.tr_times, test.tr,",
        "training_windows(test.tr_times - test.tr, test.tr,",
        "tests/recipes/stages/test_measuring.py -k head",
    ),
    Mutant(
        "the test story is z-scored and delayed before TRs are skipped",
        "recipes/stages/encoding.py",
        "(fitted[layer],) = encoding_model.predict([test[test_skip_trs:]])",
        "fitted[layer] = encoding_model.predict([test])[0][test_skip_trs:]",
        "tests/recipes/stages/test_encoding.py -k skipped",
    ),
    Mutant(
        "the time of a TR is its start",
        "datasets_scripts/story.py",
        "* tr - SOUND_START + tr / 2",
        "* tr - SOUND_START",
        "tests/datasets_scripts/test_story.py",
    ),
    Mutant(
        "training windows end a TR early",
        "datasets_scripts/windows.py",
        "ends = np.rint((tr_times + tr / 2) * sampling_rate)",
        "ends = np.rint((tr_times - tr / 2) * sampling_rate)",
        "tests/datasets_scripts/test_windows.py",
    ),
    Mutant(
        "responses are those of the TR before",
        "datasets_scripts/windows.py",
        "responses = self._stories[k].responses[row]",
        "responses = self._stories[k].responses[row - 1]",
        "tests/datasets_scripts/test_windows.py",
    ),
    Mutant(
        "the test story leaks into the encoding model",
        "recipes/stages/encoding.py",
        "heard[:n_train], responses, validation if",
        "[*heard[:n_train], test[test_skip_trs:]], [*responses, scored.references], validation if",
        "tests/recipes/stages/test_encoding.py tests/recipes/stages/test_measuring.py",
    ),
    Mutant(
        "the test story leaks into the residualizer",
        "recipes/stages/encoding.py",
        ".fit(feature[:n_train], together[:n_train])",
        ".fit(feature, together)",
        "tests/recipes/stages/test_encoding.py",
    ),
    Mutant(
        "the samples of a chunk stand in reverse",
        "recipes/stages/encoding.py",
        "for k in reversed(range(self.n_each))",
        "for k in range(self.n_each)",
        "tests/recipes/stages/test_encoding.py -k chunk",
    ),
    Mutant(
        "intervals leave the noise ceiling out",
        "evaluate_metrics/statistics/resampled_alignment.py",
        "totals += correlations @ (1 / noise_ceiling[voxels])",
        "totals += correlations.sum(axis=1)",
        "tests/evaluate_metrics/statistics/test_resampled_alignment.py",
    ),
    Mutant(
        "noise ceilings count the TRs that are skipped",
        "recipes/stages/recordings.py",
        "repeats = test.repeats[:, skip_trs:]",
        "repeats = test.repeats",
        "tests/recipes/stages/test_recordings.py",
    ),
    Mutant(
        "noise ceilings come from the repeats that are scored",
        "recipes/stages/recordings.py",
        "_ceiling(repeats[:n_repeats], len(scored)",
        "_ceiling(repeats[n_repeats:], len(scored)",
        "tests/recipes/stages/test_recordings.py",
    ),
    Mutant(
        "blocks may stay in their places",
        "datasets_scripts/permutation.py",
        "while (order == places).any():",
        "while False:",
        "tests/datasets_scripts/test_permutation.py",
    ),
    Mutant(
        "a story may keep its own responses",
        "datasets_scripts/permutation.py",
        "(*turn[i + 1 :], *turn[:i])",
        "(*turn[i + 1 :], *turn[: i + 1])",
        "tests/datasets_scripts/test_permutation.py",
    ),
    Mutant(
        "the validation stories are those that are tuned on",
        "recipes/stages/recordings.py",
        "validation=validation,",
        "validation=one.train,",
        "tests/recipes/stages/test_targets.py",
    ),
    Mutant(
        "single TRs are resampled and exchanged",
        "evaluate_metrics/scores.py",
        "return min(max(BLOCK, n_trs // N_BLOCKS), n_trs // 2)",
        "return 1",
        "tests/evaluate_metrics/test_scores.py",
    ),
    Mutant(
        "words are placed where they begin",
        "recipes/stages/teacher_targets.py",
        "np.array([word.end for word in said])",
        "np.array([word.start for word in said])",
        "tests/recipes/stages/test_teacher_targets.py",
    ),
    Mutant(
        "the head learns at the backbone's rate",
        "modeling_braintune/trainer.py",
        '"lr": self.args.head_learning_rate if is_head else self.args.learning_rate,',
        '"lr": self.args.learning_rate,',
        "tests/modeling_braintune/test_trainer.py",
    ),
]


def mutated(mutant: Mutant, repository: Path = REPOSITORY) -> str:
    """Return the text of a mutant's file with the wrong line in it.

    Raises
    ------
    ValueError
        The right line does not stand there exactly once.
    """
    text = (repository / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.right) != 1:
        raise ValueError(
            f"{mutant.file}: expected {mutant.right!r} once, got it {text.count(mutant.right)} "
            "times: bring tests/mutants.py up to date"
        )
    return text.replace(mutant.right, mutant.wrong)


def is_caught(mutant: Mutant, copy: Path) -> bool:
    """Whether the tests fail on a copy of the repository in which the mutant lives."""
    file = copy / mutant.file
    as_it_was = file.read_text(encoding="utf-8")
    file.write_text(mutated(mutant, copy), encoding="utf-8")
    options = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", *options, *mutant.tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
        )
    finally:
        file.write_text(as_it_was, encoding="utf-8")
    if done.returncode not in (0, 1):  # neither passed nor failed: they did not run
        raise RuntimeError(f"{mutant.tests}: {done.stdout}{done.stderr}")
    return done.returncode == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="A word of the mutants that are tried.")
    only = parser.parse_args().only
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            shutil.copytree(
                REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(REPOSITORY / "pyproject.toml", copy)
        for mutant in (m for m in MUTANTS if only in m.what):
            caught = is_caught(mutant, copy)
            print(f"{'caught' if caught else 'SURVIVES':<10}{mutant.what}", flush=True)
            survivors += [] if caught else [mutant.what]
    print(f"survivors: {', '.join(survivors) or 'none'}")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
