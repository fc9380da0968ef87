"""What to cite for a campaign: the protocol, and the programs and methods that did its work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    what: str
    text: str
    doi: str

    @property
    def address(self) -> str:
        return f"https://doi.org/{self.doi}"


PROTOCOL = Citation(
    "Protocol", "A. Marcolongo, T. Binninger, F. Zipoli, T. Laino, ChemSystemsChem 2, e1900031 (2020), arXiv:1910.10090",
    "10.1002/syst.201900031",
)  # fmt: skip
PROGRAMS = (
    Citation("DeePMD-kit", "J. Zeng et al., J. Chem. Phys. 159, 054801 (2023)", "10.1063/5.0155600"),
    Citation("LAMMPS", "A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022)", "10.1016/j.cpc.2021.108171"),
    Citation("pymatgen", "S. P. Ong et al., Comput. Mater. Sci. 68, 314 (2013)", "10.1016/j.commatsci.2012.10.028"),
    Citation("ASE", "A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017)", "10.1088/1361-648X/aa680e"),
)
# Of the reference methods; LAMMPS is among the programs already.
METHODS = {
    "chgnet": (Citation("CHGNet", "B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023)", "10.1038/s42256-023-00716-3"),),
    "cp2k": (
        Citation("CP2K", "T. D. Kühne et al., J. Chem. Phys. 152, 194103 (2020)", "10.1063/5.0007045"),
        Citation("PBE", "J. P. Perdew, K. Burke, M. Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996)", "10.1103/PhysRevLett.77.3865"),
        Citation("D2 dispersion", "S. Grimme, J. Comput. Chem. 27, 1787 (2006)", "10.1002/jcc.20495"),
    ),
}


def citations(labeller: str) -> list[Citation]:
    """For a campaign that was labelled by this reference method."""
    return [PROTOCOL, *METHODS.get(labeller, ()), *PROGRAMS]
