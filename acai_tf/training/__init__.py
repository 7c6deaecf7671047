"""A run: training, its folder, checkpoints, devices, interruptions."""
