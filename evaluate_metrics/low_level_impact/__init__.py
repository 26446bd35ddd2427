"""Impact of low-level features on brain alignment, an `evaluate` metric that is also a Space."""
