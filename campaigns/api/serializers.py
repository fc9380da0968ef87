"""Rows as JSON: the columns of the models, whose names hold the units."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from campaigns.forms.campaign import UPLOAD_FORMATS
from campaigns.models import (
    Activity,
    Campaign,
    Cell,
    Frame,
    Material,
    Membership,
    MethodCheck,
    Overruling,
    Project,
    Resource,
    SettingChange,
    SharedLink,
    Stage,
    TrainedModel,
    VerdictChange,
)
from campaigns.progress import campaign_progress
from campaigns.science.protocol import THRESHOLDS
from campaigns.services import materials, overruling
from campaigns.services.texts import MAX_REASON


class MaterialSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)
    cif = serializers.CharField(write_only=True, trim_whitespace=False, required=False, help_text="the text of a CIF")
    example = serializers.ChoiceField(list(materials.EXAMPLES), write_only=True, required=False, help_text="instead of a CIF")
    name = serializers.CharField(max_length=200, required=False, help_text="left out: the formula")

    class Meta:
        model = Material
        fields = ("id", "owner", "project", "name", "cif", "example", "cif_filename", "cif_sha256", "formula", "reduced_formula",
                  "space_group", "space_group_number", "a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg",
                  "volume_A3", "density_g_cm3", "n_atoms", "is_disordered", "mobile_ion", "created_at")  # fmt: skip
        read_only_fields = tuple(name for name in fields if name not in ("name", "cif", "example"))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("cif" in attrs) == ("example" in attrs):
            raise serializers.ValidationError({"cif": "Give the text of a CIF, or the name of an example."})
        return attrs


class MaterialDetailSerializer(MaterialSerializer):
    class Meta(MaterialSerializer.Meta):
        fields = (*MaterialSerializer.Meta.fields, "facts")
        read_only_fields = (*MaterialSerializer.Meta.read_only_fields, "facts")


class CellSerializer(serializers.ModelSerializer):
    supercell = serializers.ListField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Cell
        fields = ("id", "material", "for_training", "for_evaluation", "supercell", "candidate", "formula", "n_atoms", "volume_A3",
                  "min_distance_A", "electrostatic_energy_eV", "relaxed_energy_eV", "relaxed_fmax_eV_A")  # fmt: skip


class CampaignSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Campaign
        fields = ("id", "owner", "project", "version", "name", "state", "reason", "mobile_ion", "labeller", "s0_route", "preset", "seed",
                  "loop", "step", "created_at", "started_at", "finished_at")  # fmt: skip


class ProgressSerializer(serializers.Serializer):
    loop = serializers.IntegerField(
        help_text="the loop under way, to which fraction and eta_seconds belong; cells and S0 count to the first"
    )
    fraction = serializers.FloatField()
    eta_seconds = serializers.FloatField(allow_null=True, help_text="s until the end of the loop under way; null where not known")
    summary = serializers.CharField()


class CampaignDetailSerializer(CampaignSerializer):
    cells = CellSerializer(many=True)
    progress = serializers.SerializerMethodField()

    class Meta(CampaignSerializer.Meta):
        fields = (*CampaignSerializer.Meta.fields, "labeller_options", "protocol", "resources", "cells", "progress")

    def get_progress(self, campaign: Campaign) -> ProgressSerializer:
        return ProgressSerializer(campaign_progress(campaign)).data


class CampaignDocumentSerializer(serializers.Serializer):
    """The keys of a settings file, as the README explains them. The service checks them: here they are described."""

    name = serializers.CharField(required=False)
    material = serializers.JSONField(required=False, help_text="number of a material, name of an example such as lgps, or {cif: text}")
    cells = serializers.ListField(child=serializers.DictField(), required=False, help_text="left out: as proposed")
    labeller = serializers.JSONField(required=False, help_text="name, or name and options; left out: chgnet")
    s0 = serializers.JSONField(required=False, help_text="fpmd, or {upload: token, format: ...}")
    preset = serializers.CharField(required=False, help_text="quick, standard or paper")
    protocol = serializers.DictField(required=False, help_text="settings that differ from the preset")
    mobile_ion = serializers.CharField(required=False)
    seed = serializers.IntegerField(required=False)
    resources = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="where stages run: names of resources by kind of stage; left out: here"
    )


class NewCampaignSerializer(CampaignDocumentSerializer):
    project = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**53, help_text="left out: private")


class SetupFileSerializer(serializers.Serializer):
    file = serializers.FileField(allow_empty_file=True, help_text="the zip file of `setup`, or such a document as YAML or JSON")


class StageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Stage
        fields = ("id", "kind", "loop", "step", "repeat", "index", "cell", "temperature_K", "replica", "cores", "resource", "job_state",
                  "state", "attempt", "tries", "message", "cause", "created_at", "started_at", "finished_at", "seconds",
                  "startup_seconds", "labels_computed", "labels_found", "versions")  # fmt: skip


class MethodCheckSerializer(serializers.ModelSerializer):
    class Meta:
        model = MethodCheck
        fields = ("id", "stage", "formula", "n_atoms", "cores", "seconds", "rms_force_eV_A", "verdict", "sentence", "variants",
                  "created_at")  # fmt: skip


class NewMethodCheckSerializer(serializers.Serializer):
    options = serializers.ListField(
        child=serializers.CharField(), required=False,
        help_text="names of options that are tried with a stricter value; left out: all that can be; none: what a label costs is measured",
    )  # fmt: skip


class ResourceSerializer(serializers.ModelSerializer):
    """What a user chooses by; how it is reached and by whose account stays with administrators."""

    queueing_system = serializers.CharField(source="profile.batch_type", help_text="Slurm, PBS, Torque, LSF, or Shell: no queue")
    queue = serializers.CharField(source="profile.resources.queue_name", allow_blank=True)
    cores = serializers.IntegerField(source="profile.cores", help_text="of a stage")
    gpus = serializers.IntegerField(source="profile.resources.gpu_per_node", help_text="of a stage")
    backend = serializers.CharField(source="profile.backend.name", help_text="DeePMD-kit's, that trains there: tensorflow or pytorch")

    class Meta:
        model = Resource
        fields = ("name", "queueing_system", "queue", "cores", "gpus", "max_jobs", "backend", "created_at")


class TrainedModelSerializer(serializers.ModelSerializer):
    frozen_sha256 = serializers.CharField(source="frozen.sha256")
    backend = serializers.CharField(source="backend.name", help_text="DeePMD-kit's, that trained it: tensorflow or pytorch")

    class Meta:
        model = TrainedModel
        fields = ("id", "campaign", "loop", "step", "repeat", "type_map", "sel", "seed", "batch_size", "n_frames", "force_rmse_eV_A",
                  "energy_rmse_meV_atom", "new_force_rmse_eV_A", "new_energy_rmse_meV_atom", "convergence", "convergence_reason",
                  "attempts", "versions", "backend", "frozen_sha256", "created_at")  # fmt: skip


# The column that a rule tests; without a rule it is the energy that was looked at last.
TESTED = {"energy": "energy_eV_atom", "force": "max_force_eV_A", "bond_variation": "max_bond_variation"}


class JudgedSerializer(serializers.ModelSerializer):
    number_of = serializers.SerializerMethodField(
        help_text="the column, with its unit, that `number`, `lower` and `upper` are of; empty where it was not judged"
    )

    def get_number_of(self, judged: Frame | VerdictChange) -> str:
        return "" if judged.number is None else TESTED[judged.rule or "energy"]


class ConfigurationSerializer(JudgedSerializer):
    class Meta:
        model = Frame
        fields = ("id", "source", "loop", "step", "temperature_K", "time_ps", "n_atoms", "composition", "energy_eV_atom", "max_force_eV_A",
                  "rms_force_eV_A", "min_distance_A", "max_bond_variation", "model_energy_error_meV_atom", "model_force_rmse_eV_A",
                  "model_deviation_eV_A", "verdict", "overruled", "rule", "number", "number_of", "lower", "upper", "verdict_changes",
                  "message", "cause", "label_seconds", "label_attempts", "label_found")  # fmt: skip


class OverruleSerializer(serializers.Serializer):
    verdict = serializers.ChoiceField(overruling.VERDICTS, allow_blank=True, help_text="empty: cleaning's verdict counts again")
    reason = serializers.CharField(max_length=MAX_REASON)


class OverrulingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Overruling
        fields = ("id", "verdict", "reason", "by_name", "at")


class VerdictChangeSerializer(JudgedSerializer):
    loop = serializers.IntegerField(source="training_set.loop")
    step = serializers.IntegerField(source="training_set.step")

    class Meta:
        model = VerdictChange
        fields = ("loop", "step", "verdict", "overruled", "rule", "number", "number_of", "lower", "upper")


class HistorySerializer(serializers.Serializer):
    verdicts = VerdictChangeSerializer(many=True)
    overrulings = OverrulingSerializer(many=True)


class LedgerRowSerializer(serializers.Serializer):
    kind = serializers.CharField()
    n_stages = serializers.IntegerField(help_text="that are done")
    labels = serializers.IntegerField(help_text="computed")
    labels_found = serializers.IntegerField(help_text="that had been computed before")
    seconds = serializers.FloatField()
    startup_seconds = serializers.FloatField()
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="by cause")


class SettingChangeSerializer(serializers.ModelSerializer):
    unit = serializers.CharField(read_only=True)

    class Meta:
        model = SettingChange
        fields = ("id", "setting", "unit", "old", "new", "reason", "loop", "step", "by_name", "at")


class ChangedSettingsSerializer(serializers.Serializer):
    """Thresholds for the rest of a campaign that is under way."""

    changes = serializers.DictField(help_text=f"new values by name: {', '.join(THRESHOLDS)}")
    reason = serializers.CharField(max_length=MAX_REASON)
    version = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31,
        help_text="the campaign's `version` that is meant: 409 where another change came first",
    )


class StartingSetSerializer(serializers.Serializer):
    s0 = serializers.DictField(child=serializers.CharField(), help_text="`s0` of a campaign's document: token and format")


class MoveSerializer(serializers.Serializer):
    project = serializers.IntegerField(allow_null=True, min_value=1, max_value=2**53, help_text="number of a project; null: private")

    @classmethod
    def project_of(cls, request: Request) -> int | None:
        return cls.project_in(request.data)

    @classmethod
    def project_in(cls, data: Any) -> int | None:
        given = cls(data=data)
        given.is_valid(raise_exception=True)
        return given.validated_data["project"]


class MemberSerializer(serializers.ModelSerializer):
    username = serializers.CharField(source="user.username", max_length=150)

    class Meta:
        model = Membership
        fields = ("id", "username", "role", "added_at")
        read_only_fields = ("id", "added_at")


class ProjectSerializer(serializers.ModelSerializer):
    members = MemberSerializer(source="memberships", many=True, read_only=True)

    class Meta:
        model = Project
        fields = ("id", "name", "created_at", "members")


class ActivitySerializer(serializers.ModelSerializer):
    class Meta:
        model = Activity
        fields = ("id", "at", "who", "what", "kind", "subject", "subject_id", "detail")


class LinkSerializer(serializers.ModelSerializer):
    made_by = serializers.CharField(source="made_by.username", read_only=True, allow_null=True, default=None)

    class Meta:
        model = SharedLink
        fields = ("id", "note", "made_by", "created_at", "withdrawn_at")
        read_only_fields = ("id", "created_at", "withdrawn_at")


class NewLinkSerializer(LinkSerializer):
    address = serializers.CharField(read_only=True, help_text="told this once")

    class Meta(LinkSerializer.Meta):
        fields = (*LinkSerializer.Meta.fields, "address")


class FileSerializer(serializers.Serializer):
    name = serializers.CharField()
    n_bytes = serializers.IntegerField()


class DataSetSerializer(serializers.Serializer):
    file = serializers.FileField(allow_empty_file=True)
    format = serializers.ChoiceField([name for name, _ in UPLOAD_FORMATS], default="auto")
    elements = serializers.CharField(required=False, default="", max_length=500, help_text="of the material, to be checked: Li Ge P S")


class DataSetFoundSerializer(serializers.Serializer):
    token = serializers.CharField()
    found = serializers.DictField(help_text="what is in it; `problems` is empty where it can be used")


class EstimateRowSerializer(serializers.Serializer):
    what = serializers.CharField()
    amount = serializers.FloatField()
    unit = serializers.CharField()
    seconds = serializers.FloatField(allow_null=True)
    seconds_low = serializers.FloatField(allow_null=True)
    seconds_high = serializers.FloatField(allow_null=True)
    basis = serializers.CharField(help_text="what was measured, when, on how many atoms, and how far it is scaled")


class EstimateSerializer(serializers.Serializer):
    rows = EstimateRowSerializer(many=True)
    labels = serializers.IntegerField()
    total_seconds_one_loop = serializers.FloatField(allow_null=True)
    total_seconds_one_loop_low = serializers.FloatField(allow_null=True)
    total_seconds_one_loop_high = serializers.FloatField(allow_null=True)
    total_seconds_all_loops = serializers.FloatField(allow_null=True)
    total_seconds_all_loops_low = serializers.FloatField(allow_null=True)
    total_seconds_all_loops_high = serializers.FloatField(allow_null=True)
    disk_bytes = serializers.FloatField()
    warnings = serializers.ListField(child=serializers.CharField())
    advice = serializers.CharField(allow_blank=True)
