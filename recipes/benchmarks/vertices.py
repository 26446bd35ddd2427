"""The voxel of every vertex: ours against pycortex's "nearest" mapper, in one process.

python recipes/benchmarks/vertices.py
python recipes/benchmarks/vertices.py --participant S2 --transform S2_auto

pycortex ships the participant S1; others are those of its own store. Their mask is computed by
pycortex where the store has none.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from transformers import HfArgumentParser

from datasets_scripts.recordings.ds003020_anatomy import derive_anatomy


@dataclass
class Arguments:
    participant: str = field(default="S1", metadata={"help": "Participant of pycortex's store."})
    transform: str = field(default="fullhead", metadata={"help": "Name of the transform."})


def main():
    import cortex  # pip install pycortex

    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    participant, transform = arguments.participant, arguments.transform
    # In the C order of pycortex's volumes, (z, y, x), as the columns of responses are
    inside = np.flatnonzero(cortex.db.get_mask(participant, transform, "thick"))

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        derivative = Path(folder) / "derivative"
        derivative.mkdir()
        (derivative / "pycortex-db").symlink_to(cortex.database.default_filestore)
        (derivative / "subject_xfms.json").write_text(json.dumps({participant: transform}))
        surface = derive_anatomy(folder, participant, len(inside)).surface
    seconds = time.perf_counter() - start

    start = time.perf_counter()
    mapper = cortex.get_mapper(participant, transform, "nearest", recache=True)
    theirs = []
    for weights in mapper.masks:  # a row for each vertex, with a 1 at its place in the volume
        places = np.full(weights.shape[0], -1)
        rows, columns = weights.nonzero()
        places[rows] = columns
        theirs.append(places)
    theirs = np.concatenate(theirs)
    mapped = time.perf_counter() - start

    # pycortex maps the vertices of the flat map alone.
    flat = np.unique(surface.shapes["flat"].faces)
    ours, theirs = surface.voxels[flat], theirs[flat]
    placed = np.where(ours >= 0, inside[ours], -1)
    expected = np.where(np.isin(theirs, inside), theirs, -1)
    print(
        f"{participant}, {transform}: {len(flat)} vertices of the flat map, "
        f"{np.count_nonzero(expected >= 0)} of them in {len(inside)} voxels of the mask; "
        f"{np.count_nonzero(placed != expected)} differ\n"
        f"all of the anatomy {seconds:.2f} s, pycortex's mapper {mapped:.2f} s"
    )
    sys.exit(int(not np.array_equal(placed, expected)))


if __name__ == "__main__":
    main()
