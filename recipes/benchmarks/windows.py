"""A participant of full size, prepared and served: windows per second, memory and disk.

    python recipes/benchmarks/windows.py                 # 27 stories, 11,543 TRs, 95,556 voxels
    python recipes/benchmarks/windows.py --n_trs 1000    # a smaller one

27 stories of that length are 4.1 GB of sound at 44.1 kHz in stereo, and 20 GB of files are written;
`--n_windows 320` leaves little but the preparation.

The recordings are made up in a temporary folder, in the layout of ds003020 and with sound of its
kind, 44.1 kHz in stereo. The peer reads the same windows the plain way: a row of the data set as
numpy, the sound from its file.
"""

import json
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import soundfile
from datasets.utils.logging import disable_progress_bar
from torch.utils.data import DataLoader, RandomSampler
from transformers import HfArgumentParser, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from datasets_scripts import (
    Interval,
    TrainingWindows,
    open_participant,
    resample,
    write_textgrid,
    zscore_responses,
)
from modeling_braintune import BrainTuningCollator

PARTICIPANT = "UTS99"
TRIMMED = 20  # TRs of a scan whose responses are not stored


@dataclass
class Size:
    n_stories: int = field(default=27, metadata={"help": "Number of stories."})
    n_trs: int = field(default=11543, metadata={"help": "Number of TRs of all stories together."})
    n_voxels: int = field(default=95556, metadata={"help": "Number of voxels that are stored."})
    n_selected: int = field(default=30000, metadata={"help": "Number of voxels that are read."})
    n_repeats: int = field(
        default=10, metadata={"help": "Number of times the last story is heard."}
    )
    sampling_rate: int = field(default=44100, metadata={"help": "Of the sounds' files, in Hz."})
    n_channels: int = field(default=2, metadata={"help": "Number of channels of the sounds."})
    n_windows: int = field(default=4000, metadata={"help": "Number of windows that are read."})
    dtype: str = field(
        default="float32", metadata={"help": "Type of stored responses: float32 or float16."}
    )
    folder: str | None = field(
        default=None,
        metadata={"help": "Folder for the temporary files; the system's own by default."},
    )


class AnonymousMemory:
    """The most anonymous memory (mapped files aside) that this process holds meanwhile, in GB."""

    def __enter__(self):
        self.peak, self._done = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.is_set():
            status = Path("/proc/self/status").read_text()
            kilobytes = int(status.partition("RssAnon:")[2].split()[0])
            self.peak = max(self.peak, kilobytes / 1e6)
            self._done.wait(0.01)


def make_recordings(root, size):
    """Noise as large as a participant's recordings; returns the bytes of responses and sound."""
    rng = np.random.default_rng(0)
    responses_folder = root / "derivative" / "preprocessed_data" / PARTICIPANT
    for folder in (root / "stimuli", root / "derivative" / "TextGrids", responses_folder):
        folder.mkdir(parents=True)
    parts = np.array_split(np.arange(size.n_trs), size.n_stories)
    raw_trs, n_bytes = {}, 0
    for i, n_trs in enumerate(map(len, parts)):
        name = f"story{i:02d}"
        raw_trs[name] = n_trs + TRIMMED
        seconds = 2.0 * n_trs + 10
        shape = (round(seconds * size.sampling_rate), size.n_channels)
        noise = (rng.standard_normal(shape, dtype=np.float32) * 0.1).clip(-1, 1)
        sound = root / "stimuli" / f"{name}.wav"
        soundfile.write(sound, noise, size.sampling_rate, subtype="PCM_16")
        n_bytes += sound.stat().st_size
        tiers = {"phone": [Interval(0.0, 0.5, "AA1")], "word": [Interval(0.0, 0.5, "ah")]}
        write_textgrid(root / "derivative" / "TextGrids" / f"{name}.TextGrid", tiers, seconds)
        with h5py.File(responses_folder / f"{name}.hf5", "w") as file:
            shape = (n_trs, size.n_voxels)
            file["data"] = rng.standard_normal(shape, dtype=np.float32)
            n_rows = n_trs
            if i == size.n_stories - 1:
                repeats = file.create_dataset("individual_repeats", (size.n_repeats, *shape), "f4")
                for k in range(size.n_repeats):
                    repeats[k] = rng.standard_normal(shape, dtype=np.float32)
                mean = sum(zscore_responses(repeats[k]) for k in range(size.n_repeats))
                file["data"][...] = zscore_responses(mean)
                n_rows += size.n_repeats * n_trs
        n_bytes += n_rows * size.n_voxels * np.dtype(size.dtype).itemsize
    (root / "derivative" / "respdict.json").write_text(json.dumps(raw_trs))
    return n_bytes


def plainly(root, pairs, participant):
    """The peer: the same windows from the data set's rows and from the sound files."""
    rows = participant._responses.with_format("numpy", columns=["story", "time", "responses"])

    class Plain:
        def __len__(self):
            return len(rows)

        def __getitem__(self, i):
            row = rows[int(i)]
            stop = round((row["time"] + 1.0) * 16000)
            start = max(stop - 160000, 0)
            with soundfile.SoundFile(root / "stimuli" / f"{row['story']}.wav") as file:
                rate = file.samplerate
                file.seek(start * rate // 16000)
                sound = file.read((stop - start) * rate // 16000, always_2d=True, dtype="float32")
            sound = resample(sound.mean(axis=1), rate)
            audio = np.zeros(160000, np.float32)
            first = 160000 - (stop - start)
            audio[first : first + len(sound)] = sound
            return {"audio": audio, "labels": row["responses"][pairs.voxels]}

    return Plain()


def rate(pairs, collate, n_windows):
    loader = DataLoader(
        pairs,
        batch_size=32,
        sampler=RandomSampler(pairs, num_samples=n_windows),
        collate_fn=collate,
    )
    start = time.perf_counter()
    for _ in loader:
        pass
    return n_windows / (time.perf_counter() - start)


def measure(root, size):
    n_bytes = make_recordings(root / "recordings", size)
    sounds = sum(file.stat().st_size for file in (root / "recordings/stimuli").iterdir())
    with AnonymousMemory() as memory:
        start = time.perf_counter()
        participant = open_participant(
            root / "recordings", PARTICIPANT, dtype=size.dtype, cache_dir=root / "prepared"
        )
        seconds = time.perf_counter() - start
    on_disk = sum(file.stat().st_size for file in (root / "prepared").rglob("*") if file.is_file())
    print(
        f"{size.n_stories} stories, {size.n_trs} TRs, {size.n_voxels} voxels, {size.dtype}, "
        f"{sounds / 1e9:.2f} GB of sound at {size.sampling_rate} Hz in {size.n_channels} channels: "
        f"prepared in {seconds:.0f} s with at most {memory.peak:.2f} GB of anonymous memory; "
        f"{on_disk / 1e9:.2f} GB on disk, {on_disk / n_bytes:.3f} of responses and sound"
    )
    with AnonymousMemory() as memory:
        voxels = np.sort(
            np.random.default_rng(1).choice(size.n_voxels, size.n_selected, replace=False)
        )
        pairs = TrainingWindows(participant.stories(), voxels)
        served = {"windows": rate(pairs, list, size.n_windows)}
        plain = rate(plainly(root / "recordings", pairs, participant), list, size.n_windows // 4)
        for name, extractor in {
            "Wav2Vec2FeatureExtractor": Wav2Vec2FeatureExtractor(return_attention_mask=False),
            "WhisperFeatureExtractor": WhisperFeatureExtractor(),
        }.items():
            served[name] = rate(pairs, BrainTuningCollator(extractor), size.n_windows // 16)
    print(
        f"Sound of 10 s with {size.n_selected} responses: {served['windows']:.0f} windows a second "
        f"from one process ({served['windows'] / plain:.1f} times the plain way's {plain:.0f}); "
        f"{memory.peak:.2f} GB of anonymous memory"
    )
    for name in list(served)[1:]:
        print(f"Behind {name}: {served[name]:.0f} windows a second")


def main():
    (size,) = HfArgumentParser(Size).parse_args_into_dataclasses()
    if not Path("/proc/self/status").exists():
        sys.exit("this benchmark reads the memory of a process from /proc, as Linux has it")
    disable_progress_bar()
    root = Path(tempfile.mkdtemp(dir=size.folder))
    try:
        measure(root, size)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
