"""Where voxels lie: regions of the cortex, masks, volumes and surfaces."""
