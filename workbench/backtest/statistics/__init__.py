"""The statistics of honesty: arrays in, small results out. Each names its paper and the trap it avoids."""
