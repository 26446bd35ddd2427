"""TIMIT as the Linguistic Data Consortium publishes it, in miniature."""

import io
import shutil

import numpy as np
import pytest

from datasets_scripts import read_recording
from datasets_scripts.speech_tasks.timit import FOLDED, TIMIT_PHONES, Timit

# The 61 labels of PHONCODE.DOC.
LABELS = (
    "b d g p t k dx q bcl dcl gcl pcl tcl kcl jh ch s sh z zh f th v dh m n ng em en eng nx "
    "l r w y hh hv el iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h pau epi h#"
).split()

SENTENCES = "SA1 SA2 SI943 SI1573 SI2203 SX43 SX133 SX223 SX313 SX403".split()
PHN = "0 305 h#\n305 457 sh\n457 724 ix\n724 900 hv\n900 1000 q\n1000 1400 axr\n1400 1600 h#\n"
WRD = "305 724 she\n724 1400 had\n"
TXT = "0 1600 She had your dark suit in greasy wash water all year.\n"


def sphere(samples, utterance):
    """The bytes of a NIST SPHERE file as TIMIT's."""
    fields = [
        "NIST_1A",
        "   1024",
        "database_id -s5 TIMIT",
        "database_version -s3 1.0",
        f"utterance_id -s{len(utterance)} {utterance}",
        "channel_count -i 1",
        f"sample_count -i {len(samples)}",
        "sample_rate -i 16000",
        f"sample_min -i {samples.min()}",
        f"sample_max -i {samples.max()}",
        "sample_n_bytes -i 2",
        "sample_byte_format -s2 01",
        "sample_sig_bits -i 16",
        "end_head",
    ]
    header = "".join(f"{field}\n" for field in fields).encode()
    return header.ljust(1024, b" ") + samples.astype("<i2").tobytes()


def write_speaker(folder):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(list(folder.name.encode()))
    for name in SENTENCES:
        samples = rng.integers(-3000, 3000, 1600)
        utterance = f"{folder.name[1:]}_{name}".lower()
        (folder / f"{name}.WAV").write_bytes(sphere(samples, utterance))
        (folder / f"{name}.PHN").write_text(PHN)
        (folder / f"{name}.WRD").write_text(WRD)
        (folder / f"{name}.TXT").write_text(TXT)


@pytest.fixture(scope="module")
def timit(tmp_path_factory):
    root = tmp_path_factory.mktemp("timit") / "TIMIT"
    for dialect in range(1, 9):
        for part, names in {"TRAIN": ("FCJF", "MDPK"), "TEST": ("MDAB",)}.items():
            for name in names:
                write_speaker(root / part / f"DR{dialect}" / f"{name}{dialect}")
    return root


@pytest.fixture
def copy(timit, tmp_path):
    return shutil.copytree(timit, tmp_path / "TIMIT")


def prepared(root, cache, **options):
    builder = Timit(root, cache_dir=str(cache), **options)
    builder.download_and_prepare()
    return builder.as_dataset()


def test_61_labels_fold_to_39_phones():
    assert len(LABELS) == len(set(LABELS)) == 61
    assert FOLDED.keys() == set(LABELS)
    assert len(TIMIT_PHONES) == len(set(TIMIT_PHONES)) == 39
    assert set(FOLDED.values()) - {None} == set(TIMIT_PHONES)


# Lee and Hon (1989), table I.
@pytest.mark.parametrize(
    ("phone", "labels"),
    {
        "sil": "bcl dcl gcl pcl tcl kcl pau epi h#",
        "aa": "aa ao",
        "ah": "ah ax ax-h",
        "er": "er axr",
        "hh": "hh hv",
        "ih": "ih ix",
        "l": "l el",
        "m": "m em",
        "n": "n en nx",
        "ng": "ng eng",
        "sh": "sh zh",
        "uw": "uw ux",
        None: "q",
    }.items(),
)
def test_labels_that_fold_together(phone, labels):
    assert {label for label, folded in FOLDED.items() if folded == phone} == set(labels.split())


def test_a_sentence_with_its_phones_words_text_and_type(timit, tmp_path):
    rows = prepared(timit, tmp_path)["test"]
    (row,) = (row for row in rows if row["file"] == "TEST/DR1/MDAB1/SX43.WAV")
    assert row["speaker"] == "MDAB1"
    assert row["text"] == "She had your dark suit in greasy wash water all year."
    assert row["words"] == [
        {"start": 305 / 16000, "end": 724 / 16000, "label": "she"},
        {"start": 724 / 16000, "end": 1400 / 16000, "label": "had"},
    ]
    assert [phone["label"] for phone in row["phones"]] == ["sil", "sh", "ih", "hh", "er", "sil"]
    assert row["phones"][3] == {"start": 724 / 16000, "end": 900 / 16000, "label": "hh"}
    present = rows.features["phones_present"].feature.int2str(row["phones_present"])
    assert present == ["er", "hh", "ih", "sh", "sil"]
    assert rows.features["sentence_type"].int2str(row["sentence_type"]) == "SX"


def test_the_sound_is_the_sphere_file_as_it_is(timit, tmp_path):
    for row in prepared(timit, tmp_path)["validation"]:
        content = (timit / row["file"]).read_bytes()
        assert row["audio"]["bytes"] == content
        samples, rate = read_recording(io.BytesIO(content))
        assert rate == 16000
        np.testing.assert_array_equal(samples * 2**15, np.frombuffer(content[1024:], "<i2"))


def test_classes_have_a_fixed_order(timit, tmp_path):
    features = prepared(timit, tmp_path)["train"].features
    assert features["phones_present"].feature.names == list(TIMIT_PHONES)
    assert features["sentence_type"].names == ["SA", "SI", "SX"]


def test_testing_is_the_whole_of_test_and_validation_a_tenth_of_the_training_speakers(
    timit, tmp_path
):
    splits = prepared(timit, tmp_path)
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 140,
        "validation": 20,
        "test": 80,
    }
    assert all(file.startswith("TEST/") for file in splits["test"]["file"])
    speakers = {split: set(rows["speaker"]) for split, rows in splits.items()}
    assert len(speakers["validation"]) == 2
    assert not speakers["validation"] & speakers["train"]
    every = {path.relative_to(timit).as_posix() for path in timit.rglob("*.WAV")}
    assert {file for rows in splits.values() for file in rows["file"]} == every


def test_another_seed_sets_other_speakers_aside(timit, tmp_path):
    first, other = (prepared(timit, tmp_path, seed=seed)["validation"] for seed in (0, 1))
    assert set(first["speaker"]) != set(other["speaker"])


def test_names_in_small_letters_make_the_same_splits(timit, tmp_path):
    small = tmp_path / "timit"
    for path in timit.rglob("*.*"):
        copied = small / path.relative_to(timit).as_posix().lower()
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    found_splits = prepared(small, tmp_path)
    for split, rows in prepared(timit, tmp_path).items():
        found = found_splits[split]
        assert found["file"][:] == [file.lower() for file in rows["file"]]
        for column in ("speaker", "phones_present", "text"):
            assert found[column][:] == rows[column][:]


def test_sounds_converted_beside_the_originals_are_passed_over(copy, tmp_path):
    speaker = copy / "TRAIN" / "DR1" / "FCJF1"
    shutil.copy(speaker / "SA1.WAV", speaker / "SA1.WAV.wav")
    assert sum(map(len, prepared(copy, tmp_path).values())) == 240


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("", "TIMIT is not a complete folder of TIMIT: it lacks TRAIN, TEST"),
        ("TEST", "TIMIT is not a complete folder of TIMIT: it lacks TEST"),
        ("TRAIN/DR3", "TRAIN is not a complete folder of TIMIT: it lacks DR3"),
        ("TEST/DR2/MDAB2/SX43.PHN", "MDAB2 is not a complete folder of TIMIT: it lacks SX43.PHN"),
        ("TEST/DR2/MDAB2/SX43.WAV", "MDAB2 is not a complete folder of TIMIT: it lacks SX43.WAV"),
        ("TEST/DR2/MDAB2/SX43.*", "MDAB2 must hold 10 sentences, got 9: sa1, sa2, .*sx403"),
    ],
)
def test_an_incomplete_folder_is_told_what_is_missing(copy, gone, message):
    for path in copy.glob(gone) if "*" in gone else [copy / gone]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=message):
        Timit(copy)


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        ("PHN", "0 1600 hash\n", "unknown phone in .*SA1.PHN: got 'hash'"),
        ("PHN", "0 1600\n", "SA1.PHN: a line must hold a start, an end and a label, got '0 1600'"),
        ("WRD", "0 end she\n", "SA1.WRD: a line must hold .* got '0 end she'"),
        ("TXT", "", "SA1.TXT is empty"),
    ],
)
def test_an_annotation_that_is_none_is_named(copy, suffix, content, message):
    (copy / "TRAIN" / "DR1" / "FCJF1" / f"SA1.{suffix}").write_text(content)
    with pytest.raises(ValueError, match=message):
        Timit(copy)


def test_a_speaker_of_both_parts_is_refused(copy):
    shutil.copytree(copy / "TRAIN/DR1/FCJF1", copy / "TEST/DR1/FCJF1")
    with pytest.raises(ValueError, match="speaker FCJF1 is in the splits"):
        Timit(copy)


def test_a_header_without_samples_is_named(copy, tmp_path):
    wav = copy / "TEST/DR1/MDAB1/SA1.WAV"
    wav.write_bytes(wav.read_bytes()[:1000])
    with pytest.raises(ValueError, match="of the 80 recordings of test .*TEST/DR1/MDAB1/SA1.WAV"):
        prepared(copy, tmp_path)
