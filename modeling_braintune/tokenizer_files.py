"""The tokenizer of a model that can transcribe, which tuning leaves alone."""

import json
import os
import shutil
from pathlib import Path

from transformers.utils import cached_file

FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "normalizer.json"),
    *("special_tokens_map.json", "added_tokens.json"),
)


def carry_tokenizer(pretrained: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Copy a checkpoint's tokenizer, if it has one, so that what is tuned still transcribes.

    Parameters
    ----------
    pretrained : folder or name on the Hub
    folder : path-like
    """
    for name in FILES:
        found = cached_file(pretrained, name, _raise_exceptions_for_missing_entries=False)
        if found is None:
            continue
        if name == "tokenizer_config.json":
            fields = json.loads(Path(found).read_text(encoding="utf-8"))
            fields.pop("auto_map", None)  # code of the base, which trust in ours is not trust in
            (Path(folder) / name).write_text(json.dumps(fields, indent=2), encoding="utf-8")
        else:
            shutil.copyfile(found, Path(folder) / name)
