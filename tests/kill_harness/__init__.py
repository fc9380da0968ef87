"""Kills every process of an installation at random moments and between any two writes, and compares what comes out with an undisturbed run.

python -m tests.kill_harness --kills 200 --seed 1       (make kill-test)
"""
