"""`pipeline("brain-encoding")`: from any recording to the responses that it would evoke."""

import io
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly
from transformers import Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from .auto import AutoModelForBrainTuning
from .brain import SAMPLING_RATE

TASK = "brain-encoding"


class BrainEncodingPipeline(Pipeline):
    """Predict the responses of a participant to recordings, one volume per TR.

    Takes a sound file (its path or its bytes, of any rate and number of channels), a row of an
    `Audio` column, a dict with "array" (or "raw") and "sampling_rate", or an array that is at
    16 kHz already.

    Examples
    --------
    >>> from transformers import pipeline
    >>> predict = pipeline("brain-encoding", model="outputs/phantom/brain-tuned")
    >>> predict("story.wav")["responses"].shape
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not getattr(self.model, "brains", None):
            raise ValueError(
                f"'{self.model.name_or_path}' does not say whose voxels it predicts: give a "
                "checkpoint that recipes/tune.py wrote, or a model after its set_brains"
            )

    def __call__(self, inputs, **kwargs):
        """Predict the responses to one recording, or to each of a list.

        Parameters
        ----------
        inputs : a recording, or a list of them
        participant : str, if the head predicts several
        windows_per_batch : int

        Returns
        -------
        dict, or a list of them
            "responses" float32 (n_trs, num_voxels), "times" (n_trs,) TR midpoints in seconds from
            the recording's start, "tr", "participant", "voxels" (num_voxels,) indices in the
            participant's recordings, "noise_ceiling" (num_voxels,), "regions" {name: columns}.

        Raises
        ------
        FileNotFoundError, ValueError
            There is no such file, it is no sound, or holds samples that are not finite; the
            participant is unknown.
        """
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(self, **given):
        whose = {name: given.pop(name) for name in ("participant",) if name in given}
        return {}, whose | given, whose

    def preprocess(self, recording):
        return {"audio": _at_16_khz(*_samples(recording))}

    def _forward(self, model_inputs, participant=None, windows_per_batch=8):
        responses = self.model.predict_responses(
            model_inputs["audio"],
            self.feature_extractor,
            participant=participant,
            batch_size=windows_per_batch,
        )
        return {"responses": responses}

    def postprocess(self, model_outputs, participant=None):
        brain, responses = self.model.brain_of(participant), model_outputs["responses"]
        return {
            "responses": responses,
            "times": (np.arange(len(responses)) + 0.5) * brain.tr,
            "tr": brain.tr,
            "participant": brain.participant,
            "voxels": brain.voxels,
            "noise_ceiling": brain.noise_ceiling,
            "regions": brain.regions,
        }


def _samples(recording):
    """Samples (n_samples,) or (n_samples, n_channels) and their rate."""
    if isinstance(recording, dict) and "sampling_rate" in recording:
        values = recording["array"] if "array" in recording else recording.get("raw")
        if values is None:
            raise ValueError(
                f'a recording given as dict has "array" and "sampling_rate", got {list(recording)}'
            )
        return np.asarray(values, np.float32), recording["sampling_rate"]
    if isinstance(recording, dict):
        recording = recording.get("bytes") or recording.get("path")
    if isinstance(recording, bytes):
        recording = io.BytesIO(recording)
    elif not isinstance(recording, str | Path):
        return np.asarray(recording, np.float32), SAMPLING_RATE
    elif not Path(recording).is_file():
        raise FileNotFoundError(f"{recording}: there is no such recording")
    try:
        return soundfile.read(recording, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{recording}: not a readable sound file ({error})") from error


def _at_16_khz(samples, sampling_rate):
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if sampling_rate == SAMPLING_RATE:
        return samples
    common = gcd(int(sampling_rate), SAMPLING_RATE)
    return resample_poly(samples, SAMPLING_RATE // common, int(sampling_rate) // common)


PIPELINE_REGISTRY.register_pipeline(
    TASK, pipeline_class=BrainEncodingPipeline, pt_model=AutoModelForBrainTuning, type="audio"
)
