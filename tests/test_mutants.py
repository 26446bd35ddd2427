"""What `tests/mutants.py` breaks by hand stands where it is looked for."""

import pytest

from tests.mutants import MUTANTS, REPOSITORY, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_has_one_place_and_tests(mutant):
    assert mutated(mutant) != (REPOSITORY / mutant.file).read_text(encoding="utf-8")
    files = [word for word in mutant.tests.split() if word.endswith(".py")]
    assert files and all((REPOSITORY / file).exists() for file in files)
