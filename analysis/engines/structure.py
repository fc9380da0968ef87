"""Radial distribution, van Hove functions and ion density of a run, as arrays to be kept beside its MSDs."""

import numpy as np
from numpy.typing import NDArray

from analysis.science import density, msd, pair_distribution
from analysis.science.diffusion import Paths

Floats = NDArray[np.floating]

N_LAGS = 4  # of the van Hove functions, from a tenth of a picosecond or so to half of the run


def add(arrays: dict[str, Floats], run_id: int, positions_A: Floats, paths: Paths, cell_A: Floats,
        symbols: NDArray[np.str_]) -> None:  # fmt: skip
    """For run r: `rdf_r_A_<r>`, `rdf_<r>_<A>-<B>`; `van_hove_t_ps_<r>`, `van_hove_self_<r>`, `van_hove_distinct_<r>` on the same distances;
    `density_<r>` (3, n, n) and `density_cell_A_<r>`.
    """
    arrays[f"rdf_r_A_{run_id}"], found = pair_distribution.rdf(positions_A, cell_A, symbols)
    for pair, g in found.items():
        arrays[f"rdf_{run_id}_{pair}"] = g
    ions_A = paths.paths_A.transpose(2, 0, 1)
    lags = msd.thinned_lags(max(1, paths.n_frames // 200), paths.n_frames // 2, N_LAGS)
    _, own, others = pair_distribution.van_hove(ions_A, cell_A, lags)
    arrays[f"van_hove_t_ps_{run_id}"] = lags * paths.frame_interval_ps
    arrays[f"van_hove_self_{run_id}"], arrays[f"van_hove_distinct_{run_id}"] = own, others
    arrays[f"density_{run_id}"] = density.projections(ions_A, cell_A)
    arrays[f"density_cell_A_{run_id}"] = np.asarray(cell_A, dtype=float)
