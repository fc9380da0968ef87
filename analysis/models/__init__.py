"""What the judge found: one row for each run and each model; and trajectories that users brought."""

from analysis.models.judgement import ArrheniusFit, RunDiffusion
from analysis.models.trajectory import AnalysisState, TrajectoryAnalysis

__all__ = ["AnalysisState", "ArrheniusFit", "RunDiffusion", "TrajectoryAnalysis"]
