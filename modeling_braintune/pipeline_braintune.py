"""`pipeline("brain-encoding")`: from any recording to the responses that it would evoke."""

import io
import os
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly
from transformers import Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from .auto import AutoModelForBrainTuning
from .collator import SAMPLING_RATE, check_floating, check_long_enough
from .feature_extractor import without_code

TASK = "brain-encoding"
# A small compressed file can hold days of silence: its header is looked at first.
LONGEST = 6.0  # hours
MOST_SAMPLES = 2**31  # of all channels


class BrainEncodingPipeline(Pipeline):
    """Predict the responses of a participant to recordings, one volume per TR.

    Takes a sound file (its path or its bytes, of any rate and number of channels), a row of an
    `Audio` column, a dict with "array" (or "raw") and "sampling_rate", or an array that is at
    16 kHz already. A file's channels are averaged; arrays are mono, of shape (n_samples,), floats.

    Examples
    --------
    ::

        from transformers import pipeline
        predict = pipeline("brain-encoding", model="outputs/phantom/brain-tuned")
        predict("story.wav")["responses"].shape
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without_code(self.feature_extractor)
        if not getattr(self.model, "brains", None):
            raise ValueError(
                f"'{self.model.name_or_path}' does not say whose voxels it predicts: give a "
                "checkpoint that recipes/tune.py wrote, or a model after its set_brains"
            )

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Predict the responses to one recording, or to each of a list.

        Parameters
        ----------
        inputs : a recording, or a list of them
        participant : str, if the head predicts several
        windows_per_batch : int
            Recordings are taken one by one, whatever the `batch_size`.

        Returns
        -------
        dict, or a list of them
            "responses" float32 (n_trs, num_voxels), "times" (n_trs,) TR midpoints in seconds from
            the recording's start, "tr", "participant", "voxels" (num_voxels,) indices in the
            participant's recordings, "noise_ceiling" (num_voxels,) or None, "regions"
            {name: columns}, "alignment" {region: how well it is predicted, of `Brain`}, empty where
            that was not measured.

        Raises
        ------
        FileNotFoundError, ValueError
            There is no such file, it is no sound, is empty or shorter than 25 ms, or holds samples
            that are no floats or not finite; the participant is unknown.
        """
        return super().__call__(inputs, **kwargs | {"batch_size": 1})

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save the model and its feature extractor."""
        # The base class would have the checkpoint ask for code to be trusted, and name a class
        # that the library then looks for in itself.
        self.model.save_pretrained(save_directory, **kwargs)
        self.feature_extractor.save_pretrained(save_directory, **kwargs)

    def _sanitize_parameters(self, **given):
        whose = {name: given.pop(name) for name in ("participant",) if name in given}
        return {}, whose | given, whose

    def preprocess(self, recording: Any) -> dict[str, np.ndarray]:
        name, samples, sampling_rate = _read(recording)
        check_floating(samples, name)
        if samples.ndim != 1:
            raise ValueError(
                f"{name}: expected mono samples of shape (n_samples,), got {samples.shape}"
            )
        if not len(samples):
            raise ValueError(f"{name}: the sound is empty (0 samples)")
        n_bad = np.count_nonzero(~np.isfinite(samples))
        if n_bad:
            raise ValueError(f"{name}: {n_bad} of {len(samples)} samples are not finite")
        if not (np.isfinite(sampling_rate) and sampling_rate >= 1):
            raise ValueError(
                f"{name}: the sampling rate must be samples per second, got {sampling_rate!r}"
            )
        audio = _at_16_khz(samples.astype(np.float32), int(sampling_rate))
        check_long_enough(audio, name)
        return {"audio": audio}

    def _forward(self, model_inputs, participant=None, windows_per_batch=8):
        responses = self.model.predict_responses(
            model_inputs["audio"],
            self.feature_extractor,
            participant=participant,
            batch_size=windows_per_batch,
        )
        return {"responses": responses}

    def postprocess(
        self, model_outputs: dict[str, Any], participant: str | None = None
    ) -> dict[str, Any]:
        brain, responses = self.model.brain_of(participant), model_outputs["responses"]
        return {
            "responses": responses,
            "times": (np.arange(len(responses)) + 0.5) * brain.tr,
            "tr": brain.tr,
            "participant": brain.participant,
            "voxels": brain.voxels,
            "noise_ceiling": brain.noise_ceiling,
            "regions": brain.regions,
            "alignment": brain.alignment,
        }


def _read(recording):
    """What to call a recording, its samples, and their rate."""
    name = "the recording"
    if isinstance(recording, dict):
        array = recording.get("array", recording.get("raw"))
        file = recording.get("bytes") or recording.get("path")
        if array is not None and "sampling_rate" in recording:
            return name, np.asarray(array), recording["sampling_rate"]
        if file is None:
            raise ValueError(
                'a recording given as dict has "array" and "sampling_rate", or "bytes" or "path", '
                f"got {list(recording)}"
            )
        name, recording = recording.get("path") or name, file
    if hasattr(recording, "get_all_samples"):  # a row that `datasets` decodes with torchcodec
        samples = recording.get_all_samples()
        return name, np.asarray(samples.data).mean(axis=0), samples.sample_rate
    if isinstance(recording, bytes):
        recording = io.BytesIO(recording)
    elif not isinstance(recording, str | Path):
        return name, np.asarray(recording), SAMPLING_RATE
    elif not Path(name := str(recording)).is_file():
        raise FileNotFoundError(f"{name}: there is no such recording")
    try:
        with soundfile.SoundFile(recording) as file:
            hours = file.frames / file.samplerate / 3600
            if hours > LONGEST or file.frames * file.channels > MOST_SAMPLES:
                raise ValueError(
                    f"{name}: its header counts {file.frames} samples of {file.channels} channels, "
                    f"{hours:.1f} hours; at most {LONGEST:g} hours and {MOST_SAMPLES} samples are "
                    "taken at once: cut it"
                )
            channels = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name}: not a readable sound file ({error.error_string})") from error
    return name, channels.mean(axis=1), file.samplerate


def _at_16_khz(samples, sampling_rate):
    if sampling_rate == SAMPLING_RATE:
        return samples
    common = gcd(sampling_rate, SAMPLING_RATE)
    return resample_poly(samples, SAMPLING_RATE // common, sampling_rate // common)


PIPELINE_REGISTRY.register_pipeline(
    TASK, pipeline_class=BrainEncodingPipeline, pt_model=AutoModelForBrainTuning, type="audio"
)
