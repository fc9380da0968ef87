"""A data set as S0: stored, looked at, accepted or refused with what is wrong."""

import errno
import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from django.core.files.uploadedfile import SimpleUploadedFile

from campaigns.services import data_sets
from campaigns.services.errors import BadInput
from campaigns.services.requests import CampaignRequest, CellRequest

CELL_A = np.diag([4.0, 4.0, 16.0])
LAYERS_A = np.outer(4 * np.arange(4), [0, 0, 1])


def frames(n=4, symbols="Li3N", force=1.0):
    rng = np.random.default_rng(1)
    for _ in range(n):
        atoms = Atoms(symbols, positions=rng.uniform(0, 1, (4, 3)) + LAYERS_A, cell=CELL_A, pbc=True)
        forces = force * rng.normal(size=(4, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-16.0 + rng.normal(), forces=forces, stress=0.01 * rng.normal(size=6))
        yield atoms


def upload(images, name="set.extxyz"):
    stream = io.StringIO()
    ase.io.write(stream, list(images), format="extxyz")
    return SimpleUploadedFile(name, stream.getvalue().encode())


def test_a_set_is_looked_at_before_it_is_accepted(owner):
    token = data_sets.store_upload(owner, upload(frames()))
    found = data_sets.inspect_upload(owner, token, "auto", ["Li", "N"])
    assert found["problems"] == []
    assert found["n_frames"] == 4
    assert data_sets.stored_path(owner, token).startswith(f"uploads/{owner.pk}/{token}")


def test_other_elements_are_said(owner):
    token = data_sets.store_upload(owner, upload(frames(symbols="Na3N")))
    problems = " ".join(data_sets.inspect_upload(owner, token, "auto", ["Li", "N"])["problems"])
    assert "Na" in problems


def test_a_set_that_does_not_fit_is_refused_when_the_campaign_is_made(owner, material):
    from campaigns.services import campaigns

    def request(token, upload_format="auto"):
        return CampaignRequest(name="x", cells=[CellRequest(material.pk, (2, 2, 2), True, True)], labeller="chgnet", s0_route="upload",
                               s0_upload=token, s0_upload_format=upload_format)  # fmt: skip

    with pytest.raises(BadInput, match="Na") as refused:
        campaigns.create(owner, request(data_sets.store_upload(owner, upload(frames(symbols="Na3N")))))
    assert list(refused.value.fields) == ["s0_upload"]
    token = data_sets.store_upload(owner, upload(frames()))
    with pytest.raises(BadInput, match="no data set format 'foo'"):
        campaigns.create(owner, request(token, "foo"))
    assert campaigns.create(owner, request(token)).s0_upload


def test_what_is_no_data_set_is_refused(owner):
    token = data_sets.store_upload(owner, SimpleUploadedFile("set.extxyz", b"\x00\x01 no data"))
    with pytest.raises(BadInput, match="cannot be used"):
        data_sets.inspect_upload(owner, token, "auto", ["Li", "N"])


def test_what_is_wrong_is_said_once_and_of_the_name_that_the_user_gave(owner):
    unlabelled = b'2\nLattice="4 0 0 0 4 0 0 0 4"\nLi 0 0 0\nLi 2 2 2\n' * 30
    token = data_sets.store_upload(owner, SimpleUploadedFile("mine.extxyz", unlabelled))
    (said,) = data_sets.inspect_upload(owner, token, "extxyz", ["Li"], "mine.extxyz")["problems"]
    assert said.startswith("mine.extxyz frame ")
    assert said.endswith("29 more of 30 configurations.")
    token = data_sets.store_upload(owner, SimpleUploadedFile("mine.extxyz", b"\x00\x01 no data"))
    with pytest.raises(BadInput, match=r"mine\.extxyz") as refused:
        data_sets.inspect_upload(owner, token, "extxyz", ["Li"], "mine.extxyz")
    assert token not in f"{refused.value} {refused.value.fields}"


def test_the_name_of_the_user_reaches_no_path(owner, data_dir):
    token = data_sets.store_upload(owner, upload(frames(), name="../../../etc/passwd.xyz"))
    assert [path.name for path in (data_dir / "uploads" / str(owner.pk)).iterdir()] == [f"{token}.xyz"]


@pytest.mark.parametrize("token", ["../1/x", "", "0" * 31, "*" * 32])
def test_a_token_that_is_none_is_refused(owner, token):
    with pytest.raises(BadInput, match="upload it again"):
        data_sets.stored_path(owner, token)


def test_the_set_of_another_user_is_not_found(owner, django_user_model):
    token = data_sets.store_upload(owner, upload(frames()))
    with pytest.raises(BadInput):
        data_sets.stored_path(django_user_model.objects.create_user("pierre"), token)


def test_a_file_over_the_limit_is_refused(owner, settings):
    settings.MAX_DATA_SET_BYTES = 100
    with pytest.raises(BadInput, match="at most"):
        data_sets.store_upload(owner, upload(frames()))


def test_an_upload_that_does_not_fit_on_the_disk_is_said_and_leaves_no_half(owner, data_dir):
    class Overflowing(SimpleUploadedFile):
        def chunks(self, chunk_size=None):
            yield b"x" * 100
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match=r"No space left on device\): free some space"):
        data_sets.store_upload(owner, Overflowing("set.extxyz", b"x" * 200))
    assert [path for path in (data_dir / "uploads").rglob("*") if path.is_file()] == []


ANTIPEROVSKITE = b"""data_x
_cell_length_a 3.91
_cell_length_b 3.91
_cell_length_c 3.91
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0.5 0 0.5 0.99667
Ba1 Ba 0.5 0 0.5 0.00167
O1 O 0.5 0.5 0.5 1
Cl1 Cl 0 0 0 1
"""


def test_a_dopant_that_the_cells_are_too_small_to_hold_is_not_asked_of_the_set_and_its_loss_is_said(owner):
    from campaigns.services import materials, requests

    doped = materials.create_material(owner, ANTIPEROVSKITE, "doped.cif")
    token = data_sets.store_upload(owner, upload(frames(symbols="Li2OCl")))

    def request(n):
        return CampaignRequest(name="x", cells=[CellRequest(doped.pk, (n, n, n), True, True)], labeller="chgnet", s0_route="upload",
                               s0_upload=token)  # fmt: skip

    (said,) = [text for text in requests.check_wholly(owner, request(3)).warnings if "Ba" in text]
    assert "3×3×3 will hold no Ba: by the occupancies it has 0.14 Ba, rounded to whole atoms" in said
    assert "one in 200 unit cells (999 atoms)" in said
    assert requests.elements_of(request(3).cells, {doped.pk: doped}, "Li") == ["Cl", "Li", "O"]
    with pytest.raises(BadInput, match="holds no Ba"):
        requests.check_wholly(owner, request(8))
    assert not any("Ba" in text for text in requests.check(owner, request(8)).warnings)


def test_a_dopant_of_the_evaluated_cell_alone_is_said(owner):
    from campaigns.services import materials, requests

    doped = materials.create_material(owner, ANTIPEROVSKITE, "doped.cif")
    cells = [CellRequest(doped.pk, (3, 3, 3), True, False), CellRequest(doped.pk, (8, 8, 8), False, True)]
    warnings = requests.check(owner, CampaignRequest(name="x", cells=cells, labeller="chgnet")).warnings
    assert any("No training cell holds Ba" in text for text in warnings)
