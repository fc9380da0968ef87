"""Results and trajectories for programs, at the same /api/v1/ as campaigns."""
