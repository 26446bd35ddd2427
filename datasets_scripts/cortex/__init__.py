"""Where voxels lie: regions of the cortex, masks, volumes and surfaces."""

from .atlas import (
    LATE_LANGUAGE,
    REGIONS,
    project_regions,
    regions_from_annot,
    regions_from_labels,
    voxels_at,
    write_regions,
)
from .volumes import load_volume, read_mask, write_surface, write_volume

__all__ = [
    "LATE_LANGUAGE",
    "REGIONS",
    "load_volume",
    "project_regions",
    "read_mask",
    "regions_from_annot",
    "regions_from_labels",
    "voxels_at",
    "write_regions",
    "write_surface",
    "write_volume",
]
