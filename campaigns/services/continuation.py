"""A campaign to go on from: its kept configurations become the starting set of a new one."""

from dataclasses import replace

from django.contrib.auth.models import AbstractBaseUser
from django.core.files import File

from campaigns.enums import S0Route, Verdict
from campaigns.models import Campaign
from campaigns.services import activity, data_sets, exports
from campaigns.services.requests import CampaignRequest, request_of

FORMAT = "deepmd/npy"


def pack_kept(campaign: Campaign, by: AbstractBaseUser) -> str:
    """Keep its configurations as an upload of this user, for the S0 of a new campaign; the token. Raises BadInput where there are none."""
    frames = campaign.frames.filter(verdict=Verdict.KEPT).select_related("artefact").order_by("artefact_id", "row")
    with exports.data_set(campaign, frames, FORMAT) as stream:
        token = data_sets.store_upload(by, File(stream, name="kept.zip"))
    activity.record(by, "exported", campaign, "kept configurations, to go on from")
    return token


def request_to_go_on(campaign: Campaign, token: str) -> CampaignRequest:
    """As the campaign was set up, but from the configurations packed under `token`. One that was imported has evaluated nothing, and a
    cell for each list of atoms: its first one is evaluated too.
    """
    asked = request_of(campaign)
    cells = list({(cell.material_id, cell.supercell, cell.candidate): cell for cell in reversed(asked.cells)}.values())[::-1]
    if not any(cell.for_evaluation for cell in cells):
        cells = [replace(cells[0], for_evaluation=True), *cells[1:]]
    return replace(
        asked, name=f"{asked.name}, further"[:200], cells=cells, s0_route=S0Route.UPLOAD, s0_upload=token, s0_upload_format=FORMAT
    )
