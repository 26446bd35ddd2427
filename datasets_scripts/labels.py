"""What the labels of phones and words stand for: a phone, silence, or neither."""

import re

# Of ARPAbet, those of the CMU Pronouncing Dictionary, without stress.
PHONES = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W "
    "Y Z ZH".split()
)

# How aligners, and transcripts of ds003020, label pauses, breaths, coughs, laughter, lip smacks,
# noise, and the bounds of a sentence.
SILENCES = tuple("BR CG IG LG LS NS SENTENCE_END SENTENCE_START SIL SL SP SPN".split())
BRACKETS = ("{}", "[]", "<>")

# A label, and the place in its word that some aligners add (dh_B, ah_E).
PLACED = re.compile(r"(.*?)(_[BEIS])?", re.DOTALL)
STRESSED = re.compile(r"([A-Z]+)[012]?")


def is_silence(label: str) -> bool:
    """Whether a label of a phone or a word stands for silence or noise.

    Parameters
    ----------
    label : str
        In either case: "sp", "sil", "sl", "spn", "br", "cg", "ig", "lg", "ls", "ns",
        "sentence_start" and "sentence_end" are silence; so is all that stands in brackets, such as
        "{LG}", "[noise]" and "<unk>", and all that holds no letter and no digit.

    Returns
    -------
    bool
    """
    label = _bare(label)
    bracketed = label[:1] + label[-1:] in BRACKETS
    return bracketed or label in SILENCES or not any(map(str.isalnum, label))


def arpabet(label: str) -> str | None:
    """Which of the 39 phones of `PHONES` a label stands for.

    Parameters
    ----------
    label : str
        In either case, with or without a stress digit ("AH0") or the phone's place in its word
        ("ah_E").

    Returns
    -------
    str, or None where it stands for none
    """
    found = STRESSED.fullmatch(_bare(label))
    return found[1] if found and found[1] in PHONES else None


def _bare(label):
    return PLACED.fullmatch(label.strip().upper())[1]
