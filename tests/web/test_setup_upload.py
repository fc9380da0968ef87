"""A set-up as a file becomes a draft on New campaign."""

import io
import json
import zipfile

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.enums import CampaignState
from campaigns.models import Campaign, Material
from campaigns.services import exports, materials, settings_file
from tests import factories
from tests.web.test_uploads import _data_set

LI3N = materials.cif_of("li3n").decode()


def sent(client, content, name="settings.yaml"):
    """The page after the upload, and what it says on top."""
    content = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
    page = client.post(reverse("campaign-new-file"), {"setup": SimpleUploadedFile(name, content)}, follow=True)
    return page, " ".join(map(str, page.context["messages"]))


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_what_the_page_gives_makes_the_same_draft(as_ada, ada):
    document = {"name": "first", "material": "li3n", "labeller": "chgnet", "seed": 7, "protocol": {"max_loops": 2}}
    first = sent(as_ada, document)[0].context["campaign"]
    with exports.setup(first) as stream:
        page, said = sent(as_ada, stream.read(), "campaign-1-setup.zip")
    again = page.context["campaign"]
    assert (page.redirect_chain[-1][0], said[:17]) == (reverse("campaign-overview", args=[again.pk]), "The draft is made")
    assert (again.state, again.owner) == (CampaignState.DRAFT, ada)
    assert again.pk != first.pk
    assert settings_file.document_here(again) == settings_file.document_here(first)
    assert Material.objects.count() == 1


def test_a_data_set_in_the_zip_is_kept(as_ada, ada, settings):
    files = {"s/settings.yaml": yaml.safe_dump({"material": "lgps", "s0": {"path": "set.extxyz"}}), "s/set.extxyz": _data_set().read()}
    page, said = sent(as_ada, zipped(files), "s.zip")
    assert "campaign" in page.context, said
    draft = page.context["campaign"]
    assert (settings.DATA_DIR / draft.s0_upload).read_bytes() == files["s/set.extxyz"]


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_cif_is_written_into_the_document(as_ada, kind):
    document = {"material": {"cif": LI3N, "name": "nitride"}, "seed": 3}
    content = json.dumps(document).encode() if kind == "json" else document
    draft = sent(as_ada, content, f"settings.{kind}")[0].context["campaign"]
    assert [(cell.material.name, cell.material.cif) for cell in draft.cells.select_related("material")] == [("nitride", LI3N)] * 2


SECRET = "/etc/hostname"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.yaml", "must hold keys and values"),
        (b"%PDF-1.4 \x00\x01", "paper.pdf", "no set-up of a campaign: it is neither YAML nor JSON"),
        (b"[" * 100_000, "deep.yaml", "nested too deeply"),
        (b"a: &a [1, 1]\nname: [*a, *a]\nmaterial: li3n", "bomb.yaml", "no set-up of a campaign: it refers to another place of itself"),
        (b"material: !!python/object/apply:os.getcwd []", "code.yaml", "could not determine a constructor"),
        ({"type_map": ["Li"], "fp_style": "vasp"}, "param.json", "unknown key fp_style, type_map"),
        ({"material": SECRET}, "s.yaml", "write the CIF into the document"),
        ({"material": {"path": SECRET}}, "s.yaml", "give its CIF as text"),
        ({"material": "li3n", "s0": {"path": SECRET}}, "s.yaml", "unknown key path"),
        (json.dumps({"material": "li3n", "cells": [{}] * 13}).encode(), "s.json", "at most 12, not 13"),
        ({"material": "li3n", "seed": "x", "preset": "best"}, "s.yaml", "seed must be a whole number"),
        (b"x" * 2_600_000, "s.yaml", "has 2.6 MB; at most 2.5 MB"),
        (zipped({"archive.json": "{}"}), "a.zip", "holds no settings.yaml"),
        (zipped({"settings.yaml": f"material: {SECRET}"}), "a.zip", "not in the zip file"),
        (zipped({"settings.yaml": "material: li3n\ns0: {path: ../../../db.sqlite3}"}), "a.zip", "not in the zip file"),
        (zipped({"../settings.yaml": "material: li3n"}), "a.zip", "outside of its own folder"),
        (zipped({"settings.yaml": "cells: [{material: ../x.cif}]"}), "a.zip", "not in the zip file"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_sentence(as_ada, content, name, words):
    page, said = sent(as_ada, content, name)
    assert (page.status_code, page.redirect_chain[-1][0]) == (200, reverse("campaign-new"))
    assert words in said
    assert not Campaign.objects.exists()


def test_a_set_that_cannot_be_used_is_not_kept(as_ada, settings):
    files = {"settings.yaml": yaml.safe_dump({"material": "li3n", "s0": {"path": "set.extxyz"}}), "set.extxyz": _data_set().read()}
    assert "cannot be used" in sent(as_ada, zipped(files), "s.zip")[1]
    assert not [path for path in (settings.DATA_DIR / "uploads").rglob("*") if path.is_file()]


def test_the_page_offers_it_also_before_there_is_a_material(as_ada, ada):
    page = as_ada.get(reverse("campaign-new")).content.decode()
    assert f'action="{reverse("campaign-new-file")}"' in page
    draft = factories.campaign(ada)
    assert reverse("campaign-new-file") not in as_ada.get(reverse("campaign-edit", args=[draft.pk])).content.decode()


def test_no_file_is_said(as_ada):
    assert "Choose a file first" in as_ada.post(reverse("campaign-new-file"), follow=True).content.decode()
