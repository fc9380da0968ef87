"""Materials from CIFs: read in a bounded child, kept with what they are."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import ProtectedError, Q

from campaigns.engines.bounded import ChildBusy
from campaigns.engines.read_cif import CifNotRead, CifRejected, decode, read_cif
from campaigns.models import Material
from campaigns.services import activity, quotas, reading, texts
from campaigns.services.errors import BadInput, Busy, WrongState

MAX_DEFAULT_NAME = 40
MAX_NAME = 200
_CIFS = Path(__file__).resolve().parent.parent / "examples" / "cifs"


@dataclass(frozen=True)
class Example:
    name: str
    filename: str
    description: str


EXAMPLES = {
    "lgps": Example("LGPS", "lgps_kamaya2011.cif", "Li₁₀GeP₂S₁₂, disordered Li and Ge/P, 50 atoms (Kamaya 2011)"),
    "llzo": Example("LLZO, cubic", "cllzo_awaka2011_feasible.cif", "Li₇La₃Zr₂O₁₂, disordered Li, 192 atoms (Awaka 2011)"),
    "nasicon": Example("NASICON, C2/c", "nasicon_x2_C2c80_model.cif", "Na₃Zr₂Si₂PO₁₂, disordered Na and Si/P, 80 atoms (model)"),
    "nasicon-r3c": Example("NASICON, R-3c", "nasicon_x2_R-3c_model.cif", "Na₃Zr₂Si₂PO₁₂ in the hexagonal cell, 120 atoms (model)"),
    "li3n": Example("Li3N", "li3n_P6mmm.cif", "Li₃N, ordered, 4 atoms: the smallest thing to try"),
}


def create_material(owner: AbstractBaseUser, cif: bytes, filename: str, name: str = "") -> Material:
    """Read a CIF and keep it. The same CIF twice gives the material that is there. Raises BadInput with what to do."""
    if len(cif) > settings.MAX_CIF_BYTES:
        raise BadInput(
            f"The CIF has {len(cif) / 1e6:.1f} MB; at most {settings.MAX_CIF_BYTES / 1e6:.0f} MB are accepted.", {"cif": "too large"}
        )
    name = texts.plain(name, "name")
    if texts.NUL.encode() in cif:
        raise BadInput(f"{filename} {texts.NO_TEXT.removesuffix(': type it again')}: it is no CIF.", {"cif": "is no text"})
    if known := already_there(owner, cif):
        return known
    quotas.check_count(owner, Material, settings.QUOTA_MATERIALS, "materials")
    try:
        with reading.place():
            text, facts = read_cif(cif)
    except (CifNotRead, ChildBusy) as error:
        raise Busy(f"{filename} was not read. {error}", {"cif": str(error)}) from error
    except CifRejected as error:
        raise BadInput(f"{filename}: {error}", {"cif": str(error)}) from error
    material, is_new = Material.objects.get_or_create(
        owner=owner,
        cif_sha256=_digest(cif),
        defaults={
            "name": (name or short_formula(facts["reduced_formula"]))[:200],
            "cif": text,
            "cif_filename": Path(filename).name[:200],
            "facts": facts,
            **{column: facts[column] for column in _COLUMNS},
        },
    )
    if is_new:
        activity.record(owner, "created", material)
    return material


def already_there(owner: AbstractBaseUser, cif: bytes) -> Material | None:
    """The material that this file has made before; one that is pasted has other line ends."""
    try:
        text = decode(cif)
    except CifRejected:
        return None
    return Material.objects.filter(Q(cif_sha256=_digest(cif)) | Q(cif=text), owner=owner).first()


def _digest(cif: bytes) -> str:
    return hashlib.sha256(cif).hexdigest()


def short_formula(formula: str) -> str:
    """A formula as a name: amounts have two decimals and 1 is left out; what is too long is cut between elements."""
    rounded = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), formula)
    rounded = re.sub(r"(?<=[A-Za-z])1(?![\d.])", "", rounded)
    if len(rounded) <= MAX_DEFAULT_NAME:
        return rounded
    kept = ""
    for piece in re.findall(r"[A-Z][a-z]?[\d.]*|[()][\d.]*|.", rounded):
        if len(kept) + len(piece) >= MAX_DEFAULT_NAME:
            return kept + "…"
        kept += piece
    return kept


_COLUMNS = (
    *("formula", "reduced_formula", "space_group", "space_group_number", "volume_A3", "density_g_cm3", "n_atoms"),
    *("a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg", "is_disordered", "mobile_ion"),
)


def create_example(owner: AbstractBaseUser, slug: str) -> Material:
    return create_material(owner, cif_of(slug), EXAMPLES[slug].filename, EXAMPLES[slug].name)


def cif_of(slug: str) -> bytes:
    return (_CIFS / EXAMPLES[slug].filename).read_bytes()


MAX_TAGS, MAX_TAG = 12, 30


def describe(material: Material, name: str, tags: str, by: AbstractBaseUser) -> None:
    """Another name, and tags: words separated by commas, of which each is kept once, in small letters. Raises BadInput."""
    name, words = name.strip(), sorted({" ".join(word.split()).lower() for word in tags.split(",")} - {""})
    problems = {}
    if not name or len(name) > MAX_NAME:
        problems["name"] = f"Give a name of 1 to {MAX_NAME} characters."
    if len(words) > MAX_TAGS or any(len(word) > MAX_TAG for word in words):
        problems["tags"] = f"Give at most {MAX_TAGS} tags of at most {MAX_TAG} characters each, separated by commas."
    if problems:
        raise BadInput(" ".join(problems.values()), problems)
    before = material.name
    material.name, material.tags = name, f",{','.join(words)}," if words else ""
    with transaction.atomic():
        material.save(update_fields=["name", "tags"])
        activity.record(by, "described", material, f"before: {before}" if name != before else f"tags: {', '.join(words) or 'none'}")


def delete_material(material: Material, by: AbstractBaseUser | None = None) -> None:
    try:
        with transaction.atomic():
            activity.record(by, "deleted", material)
            material.delete()
    except ProtectedError as error:
        raise WrongState(f"{material.name} is used by a campaign: delete its campaigns first.") from error
