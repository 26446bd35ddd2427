"""SLURP: spoken commands to an assistant at home (Bastianelli et al. 2020)."""

import json
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Value

from ..names import check_name
from .speech_task import Clip, SpeechTask, read_json_lines, require

ACTIONS = tuple(
    "addcontact audiobook cleaning coffee convert createoradd currency definition dislikeness "
    "events factoid game greet hue_lightchange hue_lightdim hue_lightoff hue_lighton hue_lightup "
    "joke likeness locations maths movies music order podcasts post query querycontact quirky "
    "radio recipe remove sendemail set settings stock taxi ticket traffic volume_down volume_mute "
    "volume_other volume_up wemo_off wemo_on".split()
)

ANNOTATIONS = "dataset/slurp"
RECORDINGS = "audio/slurp_real"
METADATA = f"{ANNOTATIONS}/metadata.json"
# What is tested on comes first: a recording that is listed twice stays there.
LISTS = {
    "test": f"{ANNOTATIONS}/test.jsonl",
    "validation": f"{ANNOTATIONS}/devel.jsonl",
    "train": f"{ANNOTATIONS}/train.jsonl",
}


class Slurp(SpeechTask):
    """Build SLURP's task: the action that is asked for.

    Columns are `text` and `action` (46 classes). Recordings are the real ones, by headset and from
    a distance alike; splits are the official ones, by sentence: a speaker may be in several. A
    recording that is listed more than once is kept once, in the test split rather than the
    validation split and there rather than in training, with a warning that counts them.

    Parameters
    ----------
    data_dir : path-like
        The repository's folder, with dataset/slurp and the unpacked audio/slurp_real.
    **kwargs
        `max_unreadable` of `SpeechTask`; arguments of `datasets.DatasetBuilder`.

    Raises
    ------
    FileNotFoundError
        A list, the metadata or a recording is missing.
    ValueError
        A line without what it must say, an unknown action, a recording without a speaker; as
        `SpeechTask`.
    """

    SPEAKERS_APART = False

    def __init__(self, data_dir: str | PathLike[str], **kwargs: Any) -> None:
        columns = {"text": Value("string"), "action": ClassLabel(names=list(ACTIONS))}
        super().__init__(data_dir, columns, _read_splits(Path(data_dir)), **kwargs)


def _read_splits(root):
    require("SLURP", root, [METADATA, *LISTS.values(), RECORDINGS])
    entries = json.loads((root / METADATA).read_text(encoding="utf-8")).values()
    speakers = {
        file: recording["usrid"]
        for entry in entries
        for file, recording in entry["recordings"].items()
    }
    splits, seen, n_repeated = {}, set(), 0
    for split, path in LISTS.items():
        splits[split] = []
        for clip in _read_clips(root / path, speakers):
            if clip.file in seen:
                n_repeated += 1
            else:
                splits[split].append(clip)
            seen.add(clip.file)
    if n_repeated:
        warnings.warn(
            f"{root}: {n_repeated} recordings are listed again and are kept once", stacklevel=3
        )
    return {split: splits[split] for split in reversed(LISTS)}


def _read_clips(path, speakers):
    for where, record in read_json_lines(path):
        try:
            text, action = record["sentence"], record["action"]
            files = [recording["file"] for recording in record["recordings"]]
        except KeyError as error:
            raise ValueError(f"{where}: the key {error} is missing") from error
        check_name(f"action in {where}", action, ACTIONS)
        for file in files:
            if file not in speakers:
                raise ValueError(f"{where}: {METADATA} names no speaker (usrid) of {file}")
            columns = {"text": text, "action": action}
            yield Clip(f"{RECORDINGS}/{file}", speakers[file], columns)
