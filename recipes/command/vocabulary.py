"""The words of the command line, each with one meaning, one help text and one default.

A command's arguments are a dataclass that inherits the words it takes, and adds those that no other
command has. `group` is where `--help` shows what a class adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

PRECISIONS = ("float32", "bfloat16")
CEILING_WORDS = ("none", "listeners")  # in place of files of noise ceilings
SELECTIONS = ("threshold", "fdr")


def check_positive(unit: str, words: Any, *names: str) -> None:
    """Refuse words that are not numbers above zero.

    Raises
    ------
    ValueError
    """
    for name in names:
        if not getattr(words, name) > 0:
            raise ValueError(f"{name} must be above 0 {unit}, got {getattr(words, name):g}")


def check_once(name: str, values: Sequence[Any] | None) -> None:
    """Refuse a list that names something twice.

    Raises
    ------
    ValueError
    """
    if values is not None and len(set(values)) < len(values):
        raise ValueError(f"{name}: name each once, got {' '.join(map(str, values))}")


class Words:
    """Words whose values are checked when all of them are known."""

    def __post_init__(self):
        further = getattr(super(), "__post_init__", None)
        if further is not None:
            further()


@dataclass(kw_only=True)
class Participants(Words):
    """Whose responses."""

    group = "Recordings"

    participants: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Participants by name, such as UTS01 UTS02, the phantom's being P01 to P04; "
            "by default the only one, where a checkpoint says who that is."
        },
    )


@dataclass(kw_only=True)
class Surface(Words):
    """Where the cortical surface lies."""

    group = "Measuring"

    surface: str | None = field(
        default=None,
        metadata={
            "help": "File .npy of the places of fsaverage5's vertices in the participant's "
            "functional space, (20484, 3) in mm, left hemisphere first, for maps on the surface; "
            "by default the recordings say which voxels those vertices lie in, if they can."
        },
    )


@dataclass(kw_only=True)
class Recordings(Participants):
    """Whose recordings, and how they are read."""

    group = "Recordings"

    data: str = field(
        metadata={
            "help": "Recordings: a folder in the layout of ds003020 or of BIDS derivatives, the "
            "name of a prepared data set on the Hub, or phantom."
        }
    )
    atlas: list[str] | None = field(
        default=None,
        metadata={
            "help": "Atlas that regions follow from: for ds003020 annotations of fsaverage, "
            "lh.HCP-MMP1.annot rh.HCP-MMP1.annot; by default regions are those that the "
            "recordings' folder has files of, if any."
        },
    )
    atlas_spheres: list[str] | None = field(
        default=None,
        metadata={
            "help": "FreeSurfer's lh.sphere.reg rh.sphere.reg of fsaverage, which place the atlas "
            "exactly; by default only fsaverage5's vertices of it are used, and 8 %% of "
            "the participant's get a neighbour's label."
        },
    )
    dtype: str = field(
        default="float32",
        metadata={
            "help": "Type that prepared responses are stored in: float32 (the default) or float16, "
            "which takes half the disk."
        },
    )
    tr: float | None = field(
        default=None,
        metadata={"help": "Seconds per TR of the time axis of ds003020; 2.0 by default."},
    )
    tr_times: str | None = field(
        default=None,
        metadata={
            "help": "Folder with exact TR times of ds003020, one <story>.report for each story; "
            "the published time axis by default."
        },
    )
    space: str | None = field(
        default=None,
        metadata={
            "help": "Space of BIDS images, such as MNI152NLin2009cAsym, fsaverage5 or fsLR; by "
            "default the only one that there is."
        },
    )
    res: str | None = field(
        default=None,
        metadata={
            "help": "Resolution or density of BIDS images, such as 2 or 91k; by default the only "
            "one that there is in their space."
        },
    )
    confounds: list[str] | None = field(
        default=None,
        metadata={
            "help": "Confounds of BIDS images to regress out, by their columns in fMRIPrep's "
            "tables, such as trans_x trans_y; none by default."
        },
    )
    high_pass: float | None = field(
        default=None,
        metadata={
            "help": "Frequency in Hz below which drifts of BIDS images are regressed out, such as "
            "0.01; by default they stay."
        },
    )

    def __post_init__(self) -> None:
        if not self.participants:
            raise ValueError("participants must name at least one: give --participants")
        if self.tr is not None and self.tr_times is not None:
            raise ValueError(
                f"tr and tr_times exclude each other, since reports say how long a TR is; got "
                f"--tr {self.tr:g} --tr_times {self.tr_times}"
            )
        if self.atlas_spheres is not None and len(self.atlas_spheres) != 2:
            raise ValueError(
                "atlas_spheres must be two files, the left and the right one, got "
                f"{' '.join(self.atlas_spheres)}"
            )
        if self.atlas_spheres is not None and self.atlas is None:
            raise ValueError("atlas_spheres belong to an atlas: give --atlas too")
        super().__post_init__()


@dataclass(kw_only=True)
class TrainStories(Words):
    """Stories that are learned from."""

    group = "Recordings"

    train_stories: list[str] = field(
        metadata={"help": "Training stories by name; encoding models are fitted on them too."}
    )


@dataclass(kw_only=True)
class ValidationStories(Words):
    """Stories that decide when training stops."""

    group = "Recordings"

    validation_stories: list[str] = field(
        metadata={"help": "Validation stories by name, whose loss decides when training stops."}
    )


@dataclass(kw_only=True)
class TestStory(Words):
    """The story that models are compared on."""

    group = "Recordings"

    test_story: str = field(
        metadata={
            "help": "Test story by name, on which models are compared; heard repeatedly, unless "
            "--ceiling or --ceiling_story says otherwise."
        }
    )


@dataclass(kw_only=True)
class Stories(Words):
    """Stories, where a command does not divide them."""

    group = "Recordings"

    stories: list[str] | None = field(
        default=None,
        metadata={"help": "Stories by name that are read; all that are there by default."},
    )


@dataclass(kw_only=True)
class Alignment(Participants):
    """How brain alignment is measured."""

    group = "Measuring"

    ceiling_threshold: float = field(
        default=0.4,
        metadata={
            "help": "Noise ceiling above which a voxel is tuned on and measured, from 0 to 1; 0.4 "
            "by default."
        },
    )
    voxel_selection: str = field(
        default="threshold",
        metadata={
            "help": "Which voxels are tuned on and measured: threshold (the default), those above "
            "ceiling_threshold; or fdr, those whose repeats are more alike than with blocks of TRs "
            "shuffled, at a false discovery rate of 5 %%."
        },
    )
    ceiling: list[str] = field(
        default_factory=list,
        metadata={
            "help": "What alignment is divided by, where not by noise ceilings from repeats (the "
            "default): a file .npy of noise ceilings with a number from 0 to 1 for each voxel, for "
            "several participants one each, such as UTS03=path/to/file; listeners, by how each "
            "voxel correlates with the mean of all other listeners to the test story, or of those "
            "that are named after the word; or none, by nothing: alignment is not normalised, and "
            "voxels are not selected by noise ceilings."
        },
    )
    ceiling_story: str | None = field(
        default=None,
        metadata={
            "help": "Repeated story that noise ceilings are computed from; the test story by "
            "default."
        },
    )
    ceiling_repeats: int | None = field(
        default=None,
        metadata={
            "help": "Number of the test story's repeats that noise ceilings are computed from, "
            "while models are scored on the mean of the others; by default both use all repeats."
        },
    )
    test_skip_trs: int = field(
        default=0,
        metadata={"help": "Number of TRs left out at the start of the test story; 0 by default."},
    )
    delays: list[int] = field(
        default_factory=lambda: [1, 2, 3, 4],
        metadata={
            "help": "Delays of encoding models in TRs, which learn the haemodynamic response; "
            "1 2 3 4 by default, 0 1 2 3 4 also the sound of the TR itself."
        },
    )
    penalty_stories: list[str] | None = field(
        default=None,
        metadata={
            "help": "Stories by name that the penalties of encoding models are chosen on, such as "
            "the validation stories; by default parts of the training stories are left out in "
            "turn, of which a tuned model picks penalties that are too small."
        },
    )
    evaluation_length: float = field(
        default=16.0,
        metadata={"help": "Seconds of sound behind each representation; 16 by default."},
    )
    evaluation_stride: float = field(
        default=0.1,
        metadata={
            "help": "Seconds between two representations; 0.1 by default. With more, alignment "
            "comes out lower: models are compared at one value."
        },
    )
    evaluation_chunk: float = field(
        default=0.1,
        metadata={
            "help": "Seconds between two windows, a multiple of evaluation_stride: the frames of "
            "a window's last so many seconds are its representations, each of which hears up to "
            "that much of what follows. 0.1 by default, the paper's way; 1 takes a tenth of the "
            "time. Models are compared at one value."
        },
    )

    def __post_init__(self) -> None:
        given = [
            option
            for option in ("ceiling", "ceiling_story", "ceiling_repeats")
            if getattr(self, option) not in (None, [])
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give one of them")
        if not 0 <= self.ceiling_threshold <= 1:
            raise ValueError(
                f"ceiling_threshold must be from 0 to 1, got {self.ceiling_threshold:g}"
            )
        check_once("delays", self.delays)
        if not self.delays or min(self.delays) < 0:
            raise ValueError(f"delays must be TRs from 0 on, got {self.delays}")
        check_once("penalty_stories", self.penalty_stories)
        others = {"train_stories": getattr(self, "train_stories", [])}
        others["test_story"] = [getattr(self, "test_story", None)]
        for name, stories in others.items():
            if both := {*(self.penalty_stories or [])} & {*stories}:
                raise ValueError(f"story {min(both)!r} is in penalty_stories and in {name}")
        if self.voxel_selection not in SELECTIONS:
            raise ValueError(
                f"voxel_selection must be one of {', '.join(SELECTIONS)}, got "
                f"{self.voxel_selection!r}"
            )
        if self.voxel_selection == "fdr" and self.ceiling:
            raise ValueError("voxel_selection fdr compares repeats, which ceiling does without")
        check_positive(
            "seconds", self, "evaluation_length", "evaluation_stride", "evaluation_chunk"
        )
        n = self.evaluation_chunk / self.evaluation_stride
        if n > 1 and (abs(n - round(n)) > 1e-6 or self.evaluation_chunk > self.evaluation_length):
            raise ValueError(
                "evaluation_chunk must be a multiple of evaluation_stride and no longer than "
                f"evaluation_length, got {self.evaluation_chunk:g}"
            )
        if self.test_skip_trs < 0:
            raise ValueError(f"test_skip_trs must not be negative, got {self.test_skip_trs}")
        _ = self.ceiling_files  # refuses what it cannot make out
        if self.ceiling[1:] and self.ceiling_word == "none":
            raise ValueError(f"ceiling none stands alone, got {' '.join(self.ceiling)}")
        check_once("ceiling", self.ceiling)
        super().__post_init__()

    @property
    def ceiling_word(self) -> str | None:
        """The word that stands in place of files, none or listeners."""
        word = self.ceiling[0] if self.ceiling else None
        return word if word in CEILING_WORDS else None

    @property
    def lowest_ceiling(self) -> float:
        """What the noise ceiling of a voxel that counts exceeds; others have 0 with fdr."""
        return 0.0 if self.voxel_selection == "fdr" else self.ceiling_threshold

    @property
    def ceiling_files(self) -> dict[str, str]:
        """File of each participant's noise ceilings; none where they come from no file.

        Raises
        ------
        ValueError
            Not each participant has one.
        """
        if self.ceiling_word is not None:
            return {}
        if len(self.ceiling) == 1 and len(self.participants) == 1:
            (participant,), (given,) = self.participants, self.ceiling
            return {participant: given.removeprefix(f"{participant}=")}
        files = dict(given.partition("=")[::2] for given in self.ceiling)
        if self.ceiling and (
            sorted(files) != sorted(self.participants)
            or len(self.ceiling) > len(files)
            or not all(files.values())
        ):
            raise ValueError(
                "ceiling must name a file for each of the participants "
                f"{', '.join(self.participants)} as <participant>=<file>, got "
                f"{' '.join(self.ceiling)}"
            )
        return files


@dataclass(kw_only=True)
class LowLevel(Words):
    """Whether low-level impact is measured."""

    group = "Measuring"

    low_level: bool = field(
        default=True,
        metadata={"help": "Whether the impact of low-level features is measured; true by default."},
    )
    low_level_lags: list[int] | None = field(
        default=None,
        metadata={
            "help": "First and last of the lags in TRs at which low-level features are removed "
            "too, such as -3 3; impact is then given twice. By default they are removed at the "
            "same TR alone, as it is defined."
        },
    )

    def __post_init__(self) -> None:
        lags = self.low_level_lags
        if lags is not None and not (len(lags) == 2 and lags[0] <= lags[1]):
            said = " ".join(map(str, lags))
            raise ValueError(f"low_level_lags must be the first and the last lag, got {said}")
        if lags is not None and not self.low_level:
            raise ValueError("low_level_lags say how low_level removes features: it is false")
        super().__post_init__()

    @property
    def n_removals(self) -> int:
        """How often features are removed, a model being measured once more after each time."""
        return self.low_level * (5 if self.low_level_lags is None else 10)


@dataclass(kw_only=True)
class Layers(Words):
    """Which layers are measured."""

    group = "Measuring"

    layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Layers to measure by number, 0 being the transformer's input; all by default, "
            "for brain alignment all but the input."
        },
    )

    def __post_init__(self) -> None:
        check_once("layers", self.layers)
        super().__post_init__()


@dataclass(kw_only=True)
class Pretrained(Words):
    """What is tuned."""

    group = "Model"

    pretrained: str = field(
        metadata={
            "help": "Model that is tuned: a checkpoint folder, a name on the Hub, or "
            "phantom-wav2vec2, phantom-hubert or phantom-whisper."
        }
    )


@dataclass(kw_only=True)
class Checkpoints(Words):
    """What is measured or used."""

    group = "Model"

    checkpoints: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Models that are measured or used: checkpoint folders, names on the Hub, or "
            "phantom-wav2vec2, phantom-hubert and phantom-whisper; none by default."
        },
    )


@dataclass(kw_only=True)
class Baseline(Words):
    """What models are compared with."""

    group = "Model"

    baseline: str | None = field(
        default=None,
        metadata={
            "help": "Model that the others are compared with, named as they are; by default the "
            "configuration's pretrained model where it names one, else none."
        },
    )


@dataclass(kw_only=True)
class Representations(Words):
    """How representations are computed and kept."""

    group = "Measuring"

    precision: str = field(
        default="float32",
        metadata={
            "help": "Precision in which representations are computed: float32 (the default) or "
            "bfloat16, which is about twice as fast at 1 %% relative error."
        },
    )
    cache_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder that keeps representations for later runs; by default "
            "braintune/representations in the Hugging Face cache."
        },
    )

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}"
            )
        super().__post_init__()

    @property
    def torch_precision(self) -> torch.dtype | None:
        """What representations are converted to; None for the weights' own float32."""
        return torch.bfloat16 if self.precision == "bfloat16" else None


@dataclass(kw_only=True)
class RemoteCode(Words):
    """Whether code of a checkpoint is run."""

    trust_remote_code: bool = field(
        default=False,
        metadata={
            "help": "Whether code that a checkpoint brings along is run, for models of no family "
            "that transformers has; false by default, and such models are refused."
        },
    )


@dataclass(kw_only=True)
class BatchSize(Words):
    """How many clips a model hears at once."""

    group = "Measuring"

    batch_size: int = field(
        default=8, metadata={"help": "Number of clips that a model hears at once; 8 by default."}
    )

    def __post_init__(self) -> None:
        check_positive("clips", self, "batch_size")
        super().__post_init__()


@dataclass(kw_only=True)
class MaxUnusable(Words):
    """How many clips a collection may lose."""

    group = "Recordings"

    max_unusable: float = field(
        default=0.01,
        metadata={
            "help": "Share of a split's clips that may be left out since they are missing, "
            "unreadable or unusable, from 0 to 1; 0.01 by default."
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.max_unusable <= 1:
            raise ValueError(f"max_unusable must be from 0 to 1, got {self.max_unusable:g}")
        super().__post_init__()


@dataclass(kw_only=True)
class Collections(Words):
    """Where collections of labelled clips are."""

    group = "Recordings"

    collections: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Collections of clips, each with its folder or the name of a prepared data set "
            "on the Hub, such as timit=path/to/TIMIT; phantom alone is made. None by default."
        },
    )

    @property
    def folders(self) -> dict[str, str]:
        """Folder or name on the Hub of each collection; the phantom's may be "phantom" alone.

        Raises
        ------
        ValueError
            One is not given as <name>=<folder>, or twice.
        """
        folders: dict[str, str] = {}
        for given in self.collections:
            name, _, folder = given.partition("=")
            folder = folder or ("phantom" if given == "phantom" else "")
            if not name or not folder or name in folders:
                raise ValueError(
                    "collections must name each once as <name>=<folder>, got "
                    f"{' '.join(self.collections)}"
                )
            folders[name] = folder
        return folders


@dataclass(kw_only=True)
class TrainingWindow(Words):
    """How much sound a model is trained on at once."""

    group = "Tuning"

    n_trs_per_window: int = field(
        default=5, metadata={"help": "Number of TRs of sound per training window; 5 by default."}
    )

    def __post_init__(self) -> None:
        check_positive("TRs", self, "n_trs_per_window")
        super().__post_init__()


@dataclass(kw_only=True)
class EarlyStopping(Words):
    """When training ends."""

    group = "Tuning"

    early_stopping_patience: int = field(
        default=3,
        metadata={
            "help": "Number of evaluations without a better validation loss after which training "
            "ends; 3 by default."
        },
    )

    def __post_init__(self) -> None:
        if self.early_stopping_patience < 1:
            raise ValueError(
                "early_stopping_patience must be at least 1 evaluation, got "
                f"{self.early_stopping_patience}"
            )
        super().__post_init__()


@dataclass(kw_only=True)
class Attention(Words):
    """How attention is computed in training."""

    group = "Tuning"

    attn_implementation: str | None = field(
        default=None,
        metadata={
            "help": "Attention kernel: sdpa, flash_attention_2 or eager; by default the fastest "
            "that torch itself has."
        },
    )


@dataclass(kw_only=True)
class Seed(Words):
    """What random numbers follow from."""

    group = "Tuning"

    seed: int = field(
        default=0, metadata={"help": "Seed of all that is random, a whole number; 0 by default."}
    )


@dataclass(kw_only=True)
class Seeds(Words):
    """Seeds that a run is repeated with."""

    group = "Tuning"

    seeds: list[int] | None = field(
        default=None,
        metadata={
            "help": "Seeds that the whole run is repeated with, each in a folder seed-<n> of the "
            "output folder; by default one run with --seed."
        },
    )


@dataclass(kw_only=True)
class Output(Words):
    """Where a command writes to."""

    group = "Output"
    command: ClassVar[str] = ""

    output_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder to write to; by default outputs/<command>, for anatomy where "
            "anatomies are kept beside the prepared recordings."
        },
    )

    def __post_init__(self):
        if self.output_dir is None:
            self.output_dir = f"outputs/{self.command}"
        if not str(self.output_dir).strip():
            raise ValueError("output_dir must name a folder, got an empty name")
        super().__post_init__()


@dataclass(kw_only=True)
class Overwrite(Words):
    """Whether an earlier run is replaced."""

    group = "Output"

    overwrite_output_dir: bool = field(
        default=False,
        metadata={
            "help": "Whether what an earlier run left in the output folder is replaced; false by "
            "default, and an interrupted run goes on."
        },
    )


@dataclass(kw_only=True)
class Decided(Words):
    """What transformers would take as an option of its Trainer, and a command decides itself."""

    hub_model_id: str | None = field(default=None, init=False)
    hub_private_repo: bool | None = field(default=None, init=False)
    hub_strategy: str = field(default="every_save", init=False)
    hub_always_push: bool = field(default=False, init=False)
    hub_revision: str | None = field(default=None, init=False)
    hub_token: str | None = field(default=None, init=False)
    do_train: bool = field(default=False, init=False)
    do_eval: bool = field(default=False, init=False)
    do_predict: bool = field(default=False, init=False)
    resume_from_checkpoint: str | None = field(default=None, init=False)


@dataclass(kw_only=True)
class Hub(Words):
    """Whether and where results are published."""

    group = "Output"

    push_to_hub: str | None = field(
        default=None,
        metadata={
            "help": "Repository on the Hub to publish to, such as your-name/its-name; by default "
            "nothing is published."
        },
    )
    private: bool = field(
        default=False,
        metadata={
            "help": "Whether a repository that is created on the Hub is private; false by default."
        },
    )
