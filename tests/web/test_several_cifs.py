"""Several CIFs at once: each becomes a material, and one that is refused keeps the others not out."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.forms.material import MAX_CIFS
from campaigns.models import Material
from campaigns.services.materials import cif_of


def _send(client, *contents, **fields):
    files = [SimpleUploadedFile(f"{number}.cif", content) for number, content in enumerate(contents)]
    return client.post(reverse("material-new"), {"cif_file": files} | fields, follow=True)


def test_each_becomes_a_material(as_ada):
    response = _send(as_ada, cif_of("li3n"), cif_of("lgps"))
    assert response.redirect_chain == [(reverse("material-list"), 302)]
    first, second = Material.objects.order_by("cif_filename")
    assert (first.cif_filename, first.name, second.cif_filename) == ("0.cif", "Li3N", "1.cif")
    assert f"2 of 2 files are added: Li3N, {second.name}." in response.content.decode()


def test_one_that_is_refused_keeps_the_others_not_out(as_ada):
    response = _send(as_ada, b"no crystal", cif_of("li3n"))
    text = response.content.decode()
    assert response.status_code == 422
    assert "1 of 2 files are added: Li3N" in text
    assert "0.cif: " in text
    assert Material.objects.count() == 1


@pytest.mark.parametrize(("n", "fields", "words"), [
    (2, {"name": "both"}, "cannot have one name"), (MAX_CIFS + 1, {}, f"choose at most {MAX_CIFS} at once"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_read(as_ada, n, fields, words):
    response = _send(as_ada, *[b"data_x"] * n, **fields)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Material.objects.exists()
