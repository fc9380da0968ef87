"""Goedecker's pseudopotentials (doi:10.1103/PhysRevB.54.1703, those for PBE by Krack, doi:10.1007/s00214-005-0655-y) from the table that
CP2K ships, written as Quantum ESPRESSO reads them: the form of ABINIT's pseudopotentials with code 10.
"""

from collections.abc import Iterator

from ase.data import atomic_numbers

from campaigns.engines.labellers import cp2k_data

FAMILY = "GTH-PBE"
MAX_PROJECTORS = (3, 3, 2, 1)  # of s, p, d, f: what pw.x knows of
PBE, NO_LOCAL_CHANNEL = 11, -1  # in ABINIT's numbers


class GthMissing(ValueError):
    """There is no such pseudopotential; the message says what to do."""


def names(symbol: str) -> list[str]:
    """The PBE pseudopotentials of an element, `GTH-PBE-q3`; none where CP2K's data are not installed."""
    try:
        table = cp2k_data.folder() / cp2k_data.POTENTIAL_FILE
    except cp2k_data.DataMissing:
        return []
    return [name for known in cp2k_data.entries(table).get(symbol, []) for name in known if name.startswith(f"{FAMILY}-q")]


def n_electrons(name: str) -> int:
    """`GTH-PBE-q3`: 3."""
    return int(name.rpartition("-q")[2])


def for_espresso(symbol: str, name: str) -> str:
    """The text of the file. Raises GthMissing."""
    known = names(symbol)
    if name not in known:
        raise GthMissing(
            f"There is no {name} for {symbol}: "
            + (
                f"CP2K's table has {', '.join(known)}."
                if known
                else "CP2K's table has none, or is not installed (apt-get install cp2k-data)."
            )
        )
    _, local, *rest = cp2k_data.entry(cp2k_data.folder() / cp2k_data.POTENTIAL_FILE, symbol, name)
    channels = _channels(symbol, iter(" ".join(rest).split()))
    return "\n".join(
        [
            f"{symbol} {name}",
            f"{atomic_numbers[symbol]} {n_electrons(name)} 0",
            f"10 {PBE} {max(len(channels) - 1, 0)} {NO_LOCAL_CHANNEL} 2001 0",
            " ".join(local.split()),
            str(len(channels)),
            *([line for channel in channels for line in channel] or ["1.0 0"]),  # pw.x reads one for s in any case
            "",
        ]
    )


def _channels(symbol: str, words: Iterator[str]) -> list[list[str]]:
    """The lines of each angular momentum: radius, number of projectors and the upper triangle of their coefficients; from p on as many
    zeros for the spin-orbit coupling.
    """
    found = []
    for momentum in range(int(next(words))):
        radius, count = next(words), int(next(words))
        if momentum >= len(MAX_PROJECTORS) or count > MAX_PROJECTORS[momentum]:
            raise GthMissing(f"pw.x cannot read this many projectors of angular momentum {momentum}: give a UPF file for {symbol}.")
        rows = [" ".join(next(words) for _ in range(count - row)) for row in range(count)]
        zeros = [" ".join(["0"] * (count - row)) for row in range(count)] if momentum else []
        found.append([" ".join([radius, str(count), *rows[:1]]), *rows[1:], *zeros])
    return found
