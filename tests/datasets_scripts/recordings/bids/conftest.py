"""A BIDS data set of one story that each test gives images of its kind."""

import nibabel
import numpy as np
import pytest
import soundfile
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from datasets_scripts import REGIONS

TR, N_TRS = 1.5, 40
FUNC = "derivatives/fmriprep/sub-001/func"
LABELS = ["???", *sorted(REGIONS["late_language"] | REGIONS["early_auditory"]), "V1"]


@pytest.fixture
def root(tmp_path):
    """Participant 001 heard a sound of 60 s, once, from the start of the scan; no images yet."""
    (tmp_path / "stimuli").mkdir()
    noise = np.random.default_rng(0).uniform(-1, 1, 8000 * 60)
    soundfile.write(tmp_path / "stimuli/tale_audio.wav", noise, 8000)
    folder = tmp_path / "sub-001/func"
    folder.mkdir(parents=True)
    (tmp_path / FUNC).mkdir(parents=True)
    rows = "onset\tduration\ttrial_type\tstim_file\n0.0\t60.0\tstory\ttale_audio.wav\n"
    (folder / "sub-001_task-tale_events.tsv").write_text(rows)
    (folder / "sub-001_task-tale_bold.json").write_text(f'{{"RepetitionTime": {TR}}}')
    return tmp_path


@pytest.fixture
def func(root):
    """The folder that images lie in."""
    return root / FUNC


@pytest.fixture
def waves():
    """Function from a number of voxels to a wave of its own in each, (n_trs, n_voxels)."""

    def made(n_voxels, first=0):
        place = np.arange(first, first + n_voxels)
        wave = np.sin(2 * np.pi * np.arange(N_TRS)[:, None] * (0.05 + 1e-4 * (place % 500)) + place)
        return (9000 + place % 100 + 50 * wave).astype(np.float32)

    return made


@pytest.fixture
def write_gifti():
    """Function that writes a hemisphere's scan, (n_trs, n_vertices)."""

    def write(path, values, structure=None):
        meta = {} if structure is None else {"AnatomicalStructurePrimary": structure}
        arrays = [
            GiftiDataArray(row, intent="NIFTI_INTENT_TIME_SERIES", encoding="GIFTI_ENCODING_B64BIN")
            for row in np.asarray(values, dtype=np.float32)
        ]
        nibabel.save(GiftiImage(meta=GiftiMetaData(meta), darrays=arrays), path)

    return write


@pytest.fixture
def write_scan():
    """Function that writes a small volume's scan, (x, y, z, n_trs), and a mask of all of it."""

    def write(path, values, affine=None):
        affine = np.diag([3.0, 3, 4, 1]) if affine is None else affine
        image = nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), affine)
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((3, 3, 4, TR))
        nibabel.save(image, path)
        mask = path.with_name(path.name.replace("preproc_bold", "brain_mask"))
        nibabel.save(nibabel.Nifti1Image(np.ones(values.shape[:3], np.uint8), affine), mask)

    return write


@pytest.fixture
def zscored():
    """Function from (n_trs, n_voxels) of a whole scan to what is read of it with the lead of 10 s.

    The first TR that begins 10 s into the sound is number 7.
    """

    def of(values):
        kept = np.asarray(values, dtype=np.float64)[7:]
        return (kept - kept.mean(axis=0)) / kept.std(axis=0)

    return of


@pytest.fixture
def label_names():
    """HCP-MMP1's labels that regions are made of, after one for none."""
    return LABELS
