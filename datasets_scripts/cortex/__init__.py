"""Where voxels lie: regions of the cortex, masks, volumes and surfaces."""

from .anatomy import Anatomy, Surface
from .atlas import (
    LATE_LANGUAGE,
    REGIONS,
    project_regions,
    regions_from_annot,
    regions_from_labels,
    regions_on_fsaverage,
    voxels_at,
    write_regions,
    write_voxels,
)
from .surfaces import Mesh
from .volumes import load_volume, read_mask, write_surface, write_volume
from .voxel_order import check_voxel_order

__all__ = [
    "LATE_LANGUAGE",
    "REGIONS",
    "Anatomy",
    "Mesh",
    "Surface",
    "check_voxel_order",
    "load_volume",
    "project_regions",
    "read_mask",
    "regions_from_annot",
    "regions_from_labels",
    "regions_on_fsaverage",
    "voxels_at",
    "write_regions",
    "write_surface",
    "write_volume",
    "write_voxels",
]
