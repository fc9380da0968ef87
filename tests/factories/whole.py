"""A campaign with everything that pages show."""

import itertools

from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import Campaign, Launch
from tests.factories.campaigns import campaign, stage
from tests.factories.labels import frames, training_set
from tests.factories.models import judged, trained_model


def full_campaign(
    owner,
    name: str = "LGPS, quick",
    state: str = CampaignState.RUNNING,
    n_loops: int = 1,
    n_steps: int = 3,
    frames_per_step: int = 12,
    **columns,
) -> Campaign:
    """A campaign with everything that pages show."""
    row = campaign(owner, name, state, loop=n_loops, step=n_steps, **columns)
    cell = row.cells.first()
    stage(row, StageKind.PREPARE, loop=0, step=0, cell=cell)
    frames(stage(row, StageKind.S0, loop=0, step=0, temperature_K=600, labels_computed=45, cell=cell), 14, first=True, cell=cell)
    training_set(row, 0, 0, 14)
    for loop, step in itertools.product(range(1, n_loops + 1), range(1, n_steps + 1)):
        model = trained_model(row, loop, step)
        temperature_K = 400.0 + 200 * (step - 1)
        stage(row, StageKind.EXPLORE, loop=loop, step=step, temperature_K=temperature_K, cell=cell)
        frames(
            stage(row, StageKind.LABEL, loop=loop, step=step, labels_computed=frames_per_step, cell=cell),
            frames_per_step,
            temperature_K,
            cell=cell,
        )
        training_set(row, loop, step, frames_per_step)
        if step > n_steps - 2:
            Launch.objects.create(model=model, cell=row.cells.last(), ranks=2, threads=1, compressed=True, trials=[{}, {}])
            judged(model, 0.19 + 0.012 * step + 0.004 * loop, convergence="stationary" if state == CampaignState.CONVERGED else "undecided")
    if state == CampaignState.RUNNING:
        stage(row, StageKind.TRAIN, StageState.RUNNING, loop=n_loops, step=n_steps + 1, cell=None)
        stage(row, StageKind.EVALUATE, StageState.PENDING, loop=n_loops, step=n_steps, temperature_K=900, cell=row.cells.last())
    if state == CampaignState.FAILED:
        stage(
            row,
            StageKind.TRAIN,
            StageState.FAILED,
            loop=n_loops,
            step=n_steps + 1,
            tries=3,
            cause="engine_died",
            message="dp stopped with signal 9: too little memory. Use a smaller batch or cell, then retry.",
        )
    return row
