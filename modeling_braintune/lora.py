"""Low-rank adapters in place of tuning a whole backbone (Moussa & Toneva 2025, NeurIPS)."""

import os
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftConfig, PeftModel
from transformers import AutoConfig

from .auto import AutoModelForBrainTuning
from .brain import read_brains
from .configuration_braintune import checkpoint_model_type, is_path
from .kept_arrays import follow_umask
from .modeling_braintune import BrainTuningMixin
from .new_head import replace_head

# Query, key, value and output of an attention; the second four in Wav2vec2-BERT and Conformers.
PROJECTIONS = "q_proj|k_proj|v_proj|out_proj|linear_q|linear_k|linear_v|linear_out"


class LoraForBrainTuning(PeftModel):
    """A model for brain-tuning with adapters, saved with its head but without its backbone."""

    def save_pretrained(
        self, save_directory: str | os.PathLike, is_main_process: bool = True, **kwargs: Any
    ) -> None:
        """Save adapters and head as peft does; configuration and brains go beside them."""
        # Left to itself, peft asks the Hub whether the backbone's vocabulary has grown.
        kwargs["save_embedding_layers"] = False
        for adapter in self.peft_config.values():
            # A path says something about this machine, and nothing to those who get the adapters.
            name = adapter.base_model_name_or_path or self.get_base_model().name_or_path
            adapter.base_model_name_or_path = "" if is_path(name) or Path(name).exists() else name
        super().save_pretrained(save_directory, is_main_process=is_main_process, **kwargs)
        if is_main_process:
            model = self.get_base_model()
            with model._checkpoint_config():
                model.config.save_pretrained(save_directory)
            model._save_own_files(save_directory)
            follow_umask(save_directory)


def add_lora(
    model: BrainTuningMixin, rank: int = 8, alpha: float = 32, dropout: float = 0.1
) -> LoraForBrainTuning:
    """Put adapters on the attention projections of the encoder; all else but the head is frozen.

    With frozen layers (`freeze_other_layers`) the others alone get adapters.

    Parameters
    ----------
    model : a model for brain-tuning, which is changed in place
    rank : int
    alpha : float
        What the adapters add is scaled by alpha / rank.
    dropout : float, of the adapters' inputs

    Returns
    -------
    LoraForBrainTuning, which takes the model's place in training

    Raises
    ------
    ValueError
        If the rank is not positive.
    """
    lora = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        # Whisper's decoder, which is not tuned, has projections of the same names.
        target_modules=rf"{model.base_model_prefix}\.encoder\.{_layers(model)}.+\.({PROJECTIONS})",
        modules_to_save=["head"],
    )
    return LoraForBrainTuning(model, lora)


def _layers(model):
    """Pattern of the names of layers that are tuned, where not all are."""
    if model.tuned_layers is None:
        return ""
    first, last = model.tuned_layers
    return rf"layers\.({'|'.join(str(i) for i in range(first - 1, last))})\."


def merge_lora(model: LoraForBrainTuning) -> BrainTuningMixin:
    """Add the adapters to the weights that they stand beside.

    Parameters
    ----------
    model : LoraForBrainTuning
        Of no use afterwards: it is changed in place.

    Returns
    -------
    The model for brain-tuning, whose checkpoints are ordinary ones. What was frozen stays so.

    Raises
    ------
    ValueError
        If an adapter holds NaN.
    """
    return model.merge_and_unload(safe_merge=True)


def load_lora(
    name_or_path: str | os.PathLike,
    base: str | os.PathLike | None = None,
    is_trainable: bool = False,
    **hub: Any,
) -> LoraForBrainTuning:
    """Load adapters and head with the backbone that they were trained on.

    Parameters
    ----------
    name_or_path : a folder, or a name on the Hub, that a `LoraForBrainTuning` was saved to
    base : a folder, or a name on the Hub
        Where the backbone is; by default where on the Hub it was in training.
    is_trainable : bool, whether to train on
    **hub : `revision`, `token` and such, of the adapters

    Returns
    -------
    LoraForBrainTuning

    Raises
    ------
    ValueError
        If the backbone was made, or loaded from a folder, and `base` is not given.
    FileNotFoundError
        If `base` is a path that does not exist.
    """
    base = base or PeftConfig.from_pretrained(name_or_path, **hub).base_model_name_or_path
    if not base:
        raise ValueError(f"'{name_or_path}' does not name its backbone's checkpoint: pass base")
    checkpoint_model_type(base)  # which says in plain words if there is none
    config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=False, **hub)
    base_config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    head_of_base = getattr(base_config, "num_voxels", config.num_voxels)
    model = AutoModelForBrainTuning.from_pretrained(base, head_of_base)
    replace_head(model, config.num_voxels, getattr(config, "head_rank", 0))
    brains = read_brains(config, name_or_path, **hub)
    if brains:
        model.set_brains(*brains.values())
    return LoraForBrainTuning.from_pretrained(model, name_or_path, is_trainable=is_trainable, **hub)
