"""An odd number of electrons with restricted spin is refused at the set-up, where the composition is known."""

import pytest

from campaigns.services.errors import BadInput
from campaigns.services.requests import CampaignRequest, CellRequest, check
from tests import factories

pytestmark = pytest.mark.django_db
GTH = ["Li GTH-PBE-q3", "S GTH-PBE-q6"]
POTCAR = "   VRHFIN ={symbol}: s\n   LEXCH  = PE\n   POMASS =   1.0; ZVAL   =   {electrons:.3f}    mass and valenz\n"


@pytest.fixture
def material():
    """One Li and one S."""
    sites = [
        {"label": symbol, "species": [{"symbol": symbol, "occupancy": 1.0}], "multiplicity": 1, "fractional": [x, x, x],
         "disordered": False, "positions": [[x, x, x]]}
        for symbol, x in (("Li", 0.0), ("S", 0.5))
    ]  # fmt: skip
    facts = {"elements": ["Li", "S"], "oxidation_states": {"Li": 1.0, "S": -1.0}, "sites": sites}
    return factories.material(factories.user(), n_atoms=2.0, is_disordered=False, facts=facts, mobile_ion="Li")


@pytest.fixture
def potcars(tmp_path, monkeypatch):
    for symbol, electrons in (("Li", 3), ("S", 6)):
        place = tmp_path / "potpaw_PBE" / symbol
        place.mkdir(parents=True)
        (place / "POTCAR").write_text(POTCAR.format(symbol=symbol, electrons=electrons))
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path))
    monkeypatch.setenv("VASP_COMMAND", "true")


def _check(material, labeller, options, supercell=(1, 1, 1)):
    return check(material.owner, CampaignRequest("x", [CellRequest(material.pk, supercell, True, True)], labeller, options))


@pytest.mark.parametrize(("labeller", "options"), [("cp2k", {}), ("espresso", {"pseudopotentials": GTH}), ("vasp", {})])
def test_it_is_said_before_the_campaign_starts(material, potcars, monkeypatch, labeller, options):
    monkeypatch.setenv(f"SSEWEB_{labeller.upper()}_COMMAND", "true")
    with pytest.raises(BadInput) as refused:
        _check(material, labeller, options)
    assert refused.value.fields == {
        "labeller.spin": "in LGPS 1×1×1 9 electrons are an odd number: choose unrestricted spin, or another supercell"
    }
    assert _check(material, labeller, options, (2, 1, 1))
    assert _check(material, labeller, options | {"spin": "unrestricted"})


def test_a_method_without_electrons_of_its_own_is_not_asked(material):
    assert _check(material, "chgnet", {})
