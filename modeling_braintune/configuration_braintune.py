"""The fields that brain-tuning adds to a family's own configuration, and their checks.

A brain-tuned checkpoint keeps the stock configuration class and `model_type`, so that every
stock class can load it. The library neither knows nor type-checks the added fields.
"""

import copy
import os
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig
from transformers.utils.hub import LocalEntryNotFoundError

HUB_ARGUMENTS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
)
# A configuration would swallow these, and the model would not be loaded as asked.
MODEL_ARGUMENTS = ("dtype", "torch_dtype", "quantization_config", "trust_remote_code")
MAX_LAYERS = 1000  # more would fill the memory before any weight is looked at
# What a checkpoint says of its head, and of the code that loads it. Stock models pass it on.
OWN_FIELDS = ("num_voxels", "head_rank", "brain", "auto_map")


def check_num_voxels(num_voxels: Any) -> int | dict[str, int]:
    """Return `num_voxels` as a plain int, or as a dict of them for several participants.

    Raises
    ------
    TypeError
        If a number is not an integer (a bool is none).
    ValueError
        If one is below 1, or the dict is empty or not in the order of its names.
    """
    if isinstance(num_voxels, Mapping):
        if not num_voxels:
            raise ValueError("num_voxels must name at least one participant, got {}")
        counts: dict[str, Any] = {
            str(name): check_num_voxels(count) for name, count in num_voxels.items()
        }
        # A configuration's file is sorted: from any other order, columns would change owners.
        if list(counts) != sorted(counts):
            raise ValueError(
                "num_voxels must name participants in the order of their names, as checkpoints "
                f"do, got {', '.join(counts)}"
            )
        return counts
    if not isinstance(num_voxels, Integral) or isinstance(num_voxels, bool):
        raise TypeError(
            "num_voxels must be a positive int, the number of voxels the head predicts, or "
            f"{{participant: int}}, got {num_voxels!r} of type {type(num_voxels).__name__}"
        )
    if num_voxels < 1:
        raise ValueError(f"num_voxels must be a positive int, got {num_voxels}")
    return int(num_voxels)


def total_voxels(num_voxels: int | Mapping[str, int]) -> int:
    """Return how many outputs the head has, those of all participants."""
    return sum(num_voxels.values()) if isinstance(num_voxels, Mapping) else num_voxels


def with_num_voxels(
    config: PreTrainedConfig,
    num_voxels: int | Mapping[str, int] | None = None,
    head_rank: int | None = None,
) -> PreTrainedConfig:
    """Return a copy of `config` whose `num_voxels` is set and checked, and `head_rank` set.

    Parameters
    ----------
    config : a family's stock configuration
    num_voxels : int, {participant: int}, or None for the configuration's own
    head_rank : int, 0 for a head without a bottleneck, or None for the configuration's own

    Raises
    ------
    ValueError
        If neither says how many voxels there are.
    """
    own = getattr(config, "num_voxels", None)
    if num_voxels is None and own is None:
        raise ValueError(
            "num_voxels is required: this checkpoint has no head, pass num_voxels=<number of "
            "voxels to predict>"
        )
    config = copy.deepcopy(config)
    config.num_voxels = check_num_voxels(own if num_voxels is None else num_voxels)
    if head_rank:
        config.head_rank = head_rank
    elif head_rank is not None:
        vars(config).pop("head_rank", None)
    return config


def check_same_head(wanted: int | Mapping[str, int], own: int | Mapping[str, int] | None) -> None:
    """Make sure that a checkpoint's head predicts what is wanted.

    Parameters
    ----------
    wanted : int, or {participant: int}
    own : the same, as the checkpoint's configuration says, or None where it says nothing

    Raises
    ------
    ValueError
        If they disagree.
    """
    if own is not None and wanted != own:
        wanted, own = _differing(wanted, own)
        raise ValueError(
            f"got num_voxels={wanted}, but the checkpoint's head predicts {own} voxels: leave "
            "num_voxels out to keep that head, or load a checkpoint without one"
        )


def without_fields(config: PreTrainedConfig, *names: str) -> PreTrainedConfig:
    """Return a configuration without some of its undeclared fields: a copy where it has any.

    Parameters
    ----------
    config : PreTrainedConfig
    *names : str
        Those of `OWN_FIELDS` by default.
    """
    found = [name for name in names or OWN_FIELDS if hasattr(config, name)]
    if found:
        config = copy.deepcopy(config)
    for name in found:
        delattr(config, name)
    return config


def _differing(wanted, own):
    """Of numbers of voxels that disagree, what to name: not the participants that do agree."""
    if isinstance(wanted, Mapping) and isinstance(own, Mapping):
        names = [name for name in sorted({*wanted, *own}) if wanted.get(name) != own.get(name)]
        return tuple({name: counts.get(name, 0) for name in names} for counts in (wanted, own))
    return wanted, own


def hub_arguments(kwargs: dict) -> dict:
    """Pick from `from_pretrained` keywords those that say where a repository's files are."""
    return {name: kwargs[name] for name in HUB_ARGUMENTS if name in kwargs}


def checkpoint_model_type(
    name_or_path: str | os.PathLike,
    config: PreTrainedConfig | str | os.PathLike | None = None,
    **kwargs: Any,
) -> str | None:
    """Read which family a checkpoint belongs to.

    Parameters
    ----------
    name_or_path : a folder, or a name on the Hub
    config : a configuration or where to find one, if it is not that of the checkpoint
    **kwargs : keywords of `from_pretrained`

    Raises
    ------
    FileNotFoundError
        If `name_or_path` can only be a path and does not exist, or holds no configuration.
    ConnectionError
        If a name on the Hub is not in the cache, and the Hub cannot be reached.
    ValueError
        If the configuration asks for what no model is.
    """
    if isinstance(config, PreTrainedConfig):
        return config.model_type
    source = name_or_path if config is None else config
    # Without this check the library explains what a repository id looks like.
    if is_path(str(source)) and not Path(source).exists():
        raise FileNotFoundError(
            f"no checkpoint at '{source}': the path does not exist (working folder: {Path.cwd()})"
        )
    try:
        fields, _ = PreTrainedConfig.get_config_dict(source, **hub_arguments(kwargs))
    except OSError as error:
        if not isinstance(error.__cause__, LocalEntryNotFoundError):
            raise
        raise ConnectionError(
            f"'{source}' is no folder here, its files are not in the cache, and the Hub cannot be "
            "reached: check its name, or the connection"
        ) from error
    except RecursionError:
        raise ValueError(
            f"config.json of '{source}' is nested too deeply for a configuration: get the "
            "checkpoint from where it was published"
        ) from None
    if not fields:
        raise FileNotFoundError(f"no checkpoint at '{source}': it has no config.json")
    for name, value in fields.items():
        if name.endswith("_layers") and isinstance(value, int) and value > MAX_LAYERS:
            raise ValueError(
                f"config.json of '{source}' asks for {value} layers ({name}), of which at most "
                f"{MAX_LAYERS} are made: get the checkpoint from where it was published"
            )
    return fields.get("model_type")


def is_path(name: str) -> bool:
    """A name on the Hub has at most one slash and does not begin with one, '.' or '~'."""
    return name.startswith(("/", ".", "~", os.sep)) or name.replace(os.sep, "/").count("/") > 1


def load_config(
    config_class: type[PreTrainedConfig],
    name_or_path: str | os.PathLike,
    config: PreTrainedConfig | str | os.PathLike | None = None,
    **kwargs: Any,
) -> tuple[PreTrainedConfig, dict]:
    """Load a stock configuration apart from its model.

    Parameters
    ----------
    config_class : class of the configuration
    name_or_path : a folder, or a name on the Hub
    config : a configuration, which is then returned as it is, or where to find one
    **kwargs : keywords of `from_pretrained`; those that name fields of the configuration set them

    Returns
    -------
    config : the configuration
    kwargs : the keywords left for the model
    """
    if isinstance(config, PreTrainedConfig):
        return config, kwargs
    for_model = {name: kwargs.pop(name) for name in MODEL_ARGUMENTS if name in kwargs}
    config, rest = config_class.from_pretrained(
        name_or_path if config is None else config, return_unused_kwargs=True, **kwargs
    )
    return config, {**rest, **hub_arguments(kwargs), **for_model}
