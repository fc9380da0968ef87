"""A data set that is uploaded as S0 is looked at before it is accepted."""

from io import StringIO

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests import factories


def _data_set(symbols=factories.SYMBOLS):
    frames, images = factories.some_frames(4), []
    for index in range(4):
        atoms = Atoms(symbols, positions=frames.positions_A[index], cell=frames.cell_A[index], pbc=True)
        labels = {"energy": frames.energy_eV[index], "forces": frames.forces_eV_A[index], "stress": [0.0] * 6}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        images.append(atoms)
    stream = StringIO()
    write(stream, images, format="extxyz")
    return SimpleUploadedFile("set.extxyz", stream.getvalue().encode())


def _cells(material):
    return {"cell-0-material": material.pk, "cell-0-a": 1, "cell-0-b": 1, "cell-0-c": 1, "cell-0-for_training": "on", "cell-0-candidate": 0}


def test_a_data_set_is_summed_up_and_attached(as_ada, ada):
    sent = _cells(factories.material(ada)) | {"data_set": _data_set(), "s0_upload_format": "extxyz"}
    response = as_ada.post(reverse("campaign-new-upload"), sent)
    assert response.context["summary"]["problems"] == []
    assert response.context["summary"]["n_frames"] == 4
    assert f'name="s0_upload" value="{response.context["token"]}"' in response.content.decode()
    assert len(response.context["token"]) == 32


def test_a_data_set_of_other_elements_is_not_attached(as_ada, ada):
    sent = _cells(factories.material(ada)) | {"data_set": _data_set(["Na"] * 8)}
    response = as_ada.post(reverse("campaign-new-upload"), sent)
    assert "Na" in response.context["summary"]["problems"][0]
    assert 'name="s0_upload" value=""' in response.content.decode()


def test_what_is_no_data_set_is_refused_with_a_reason(as_ada):
    response = as_ada.post(reverse("campaign-new-upload"), {"data_set": SimpleUploadedFile("x.bin", b"\x00\x01\x02")})
    assert response.status_code == 200
    assert "not recognised" in response.context["problem"]


def test_no_file_is_said(as_ada):
    assert "Choose a file first" in as_ada.post(reverse("campaign-new-upload")).content.decode()
