"""Collections of labelled clips that layers are probed with."""
