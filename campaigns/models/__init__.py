"""Rows hold identity, state, scalars with their unit, versions and seeds; arrays live in files, named by `Artefact` rows."""

from campaigns.models.artefact import Artefact
from campaigns.models.campaign import Campaign, Cell
from campaigns.models.configuration import Frame, Overruling, TrainingSet, VerdictChange
from campaigns.models.dynamics import Launch, MdRun
from campaigns.models.installation import Installation, Leftover
from campaigns.models.material import Material
from campaigns.models.method_check import MethodCheck
from campaigns.models.network import TrainedModel
from campaigns.models.project import Membership, Project
from campaigns.models.request_key import RequestKey
from campaigns.models.resource import Resource
from campaigns.models.setting_change import SettingChange
from campaigns.models.sharing import Activity, SharedLink
from campaigns.models.stage import Stage, StageFailure

__all__ = [
    "Activity",
    "Artefact",
    "Campaign",
    "Cell",
    "Frame",
    "Installation",
    "Launch",
    "Leftover",
    "Material",
    "MdRun",
    "Membership",
    "MethodCheck",
    "Overruling",
    "Project",
    "RequestKey",
    "Resource",
    "SettingChange",
    "SharedLink",
    "Stage",
    "StageFailure",
    "TrainedModel",
    "TrainingSet",
    "VerdictChange",
]
