import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_scripts import PHONES, is_silence
from datasets_scripts.labels import arpabet

SILENT = "sp sil sl lg ig cg br ls ns spn sentence_start sentence_end".split()


@pytest.mark.parametrize(
    "label",
    [*SILENT, *map(str.upper, SILENT), "", " ", "#", "...", "{BR}", "{door slams}", "[noise]"]
    + ["<unk>", "<SIL>", " sp\n", "sil_S"],
)
def test_silence_and_noise_are_no_phones_and_no_words(label):
    assert is_silence(label)
    assert arpabet(label) is None


@pytest.mark.parametrize("label", ["a", "SPA", "IG1", "slow", "1", "é", "{a", "AH0", "sentence"])
def test_what_else_is_said_is_no_silence(label):
    assert not is_silence(label)


@pytest.mark.parametrize("phone", PHONES)
def test_phones_are_known_in_either_case_with_stress_and_place(phone):
    labels = [phone, phone.lower(), f"{phone}0", f"{phone.lower()}1", f" {phone}2\n", f"{phone}_B"]
    assert {arpabet(label) for label in [*labels, f"{phone.lower()}1_E"]} == {phone}
    assert not is_silence(phone)


@pytest.mark.parametrize("label", ["AX", "ah3", "A", "ə", "AH AH", "ah_X", "the", "0", "_B", "Kk"])
def test_all_other_labels_are_no_phones(label):
    assert arpabet(label) is None


@given(st.text())
def test_no_label_is_a_phone_and_silence(label):
    assert not (is_silence(label) and arpabet(label))
