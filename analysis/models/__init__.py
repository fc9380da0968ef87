"""What the judge found: one row for each run and each model."""

from analysis.models.judgement import ArrheniusFit, RunDiffusion

__all__ = ["ArrheniusFit", "RunDiffusion"]
