"""What was judged, as JSON."""

from rest_framework import serializers

from analysis.models import ArrheniusFit, TrajectoryAnalysis
from campaigns.models import MdRun


class TrajectorySerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = TrajectoryAnalysis
        fields = ("id", "owner", "project", "name", "file_names", "mobile_ion", "temperature_K", "state", "message", "created_at")


class TrajectoryDetailSerializer(TrajectorySerializer):
    result = serializers.DictField(allow_null=True, help_text="D, conductivity, verdict and the numbers behind them; null until it is done")

    class Meta(TrajectorySerializer.Meta):
        fields = (*TrajectorySerializer.Meta.fields, "result")


class NewTrajectorySerializer(serializers.Serializer):
    """The fields of the page; `TrajectoryForm` checks them, here they are described."""

    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), help_text="LAMMPS dump, XDATCAR, extended XYZ; .gz too"
    )
    mobile_ion = serializers.CharField(max_length=2, help_text="such as Li")
    temperature_K = serializers.FloatField(min_value=1, max_value=10000)
    name = serializers.CharField(max_length=200, required=False)
    frame_interval_fs = serializers.FloatField(required=False, min_value=1e-3)
    timestep_fs = serializers.FloatField(required=False, min_value=1e-3, help_text="instead, where the files say MD steps")
    elements = serializers.CharField(max_length=200, required=False, help_text="of LAMMPS's types, in their order: Li, Ge, P, S")
    charge = serializers.FloatField(required=False, min_value=-10, max_value=10, help_text="in units of e; left out: the usual one")
    hop_length_A = serializers.FloatField(required=False, min_value=0.5, max_value=10)


class CorrectedTrajectorySerializer(NewTrajectorySerializer):
    """What is left out stays as it was said before."""

    files = None
    mobile_ion = serializers.CharField(max_length=2, required=False)
    temperature_K = serializers.FloatField(min_value=1, max_value=10000, required=False)


class StructureCurveSerializer(serializers.Serializer):
    label = serializers.CharField(help_text="the pair of elements, or the time of a van Hove function")
    r_A = serializers.ListField(child=serializers.FloatField())
    values = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="van-hove-self: per Å; else a ratio")


class ParitySerializer(serializers.Serializer):
    """Values of label and model, one for each configuration, component or both; rmse and so on are in `error_unit`."""

    quantity = serializers.CharField(source="name")
    unit = serializers.CharField()
    error_unit = serializers.CharField()
    n = serializers.IntegerField(source="deviation.n")
    rmse = serializers.FloatField(source="deviation.rmse")
    mae = serializers.FloatField(source="deviation.mae")
    bias = serializers.FloatField(source="deviation.bias", help_text="mean of model minus label")
    largest = serializers.FloatField(source="deviation.largest")
    label = serializers.ListField(child=serializers.FloatField())
    model = serializers.ListField(child=serializers.FloatField())
    group = serializers.ListField(child=serializers.CharField(), help_text="the element that a force acts on")
    configuration = serializers.ListField(child=serializers.IntegerField(), help_text="numbers of configurations")


class CurveSerializer(serializers.Serializer):
    species = serializers.CharField()
    t_ps = serializers.ListField(child=serializers.FloatField())
    msd_A2 = serializers.ListField(child=serializers.FloatField(allow_null=True))
    msd_error_A2 = serializers.ListField(child=serializers.FloatField(allow_null=True))


class FitSerializer(serializers.ModelSerializer):
    loop = serializers.IntegerField(source="model.loop")
    step = serializers.IntegerField(source="model.step")
    convergence = serializers.CharField(source="model.convergence")
    details = serializers.DictField()

    class Meta:
        model = ArrheniusFit
        fields = ("model", "loop", "step", "activation_energy_eV", "activation_energy_error_eV", "log10_prefactor_cm2_s", "n_points",
                  "reason", "spread_dex", "convergence", "details")  # fmt: skip


class RunSerializer(serializers.ModelSerializer):
    loop = serializers.IntegerField(source="model.loop")
    step = serializers.IntegerField(source="model.step")
    verdict = serializers.CharField(source="diffusion.verdict", allow_null=True, default=None)
    verdict_reason = serializers.CharField(source="diffusion.reason", allow_null=True, default=None)
    kinetic_temperature_K = serializers.FloatField(source="diffusion.kinetic_temperature_K", allow_null=True, default=None)
    diffusivity_cm2_s = serializers.FloatField(source="diffusion.diffusivity_cm2_s", allow_null=True, default=None)
    diffusivity_error_cm2_s = serializers.FloatField(source="diffusion.diffusivity_error_cm2_s", allow_null=True, default=None)

    class Meta:
        model = MdRun
        fields = ("id", "model", "loop", "step", "cell", "stage", "purpose", "temperature_K", "replica", "outcome", "reason",
                  "mean_temperature_K", "mean_temperature_error_K", "energy_drift_meV_atom_ns", "min_distance_A", "duration_ps",
                  "steps_per_s", "verdict", "verdict_reason", "kinetic_temperature_K", "diffusivity_cm2_s",
                  "diffusivity_error_cm2_s")  # fmt: skip


class ComparedSerializer(serializers.Serializer):
    """A row of the table of the page Compare, one for each evaluation cell; what is not known is null. `low` and `high`: 95 % interval."""

    campaign_id = serializers.IntegerField()
    campaign = serializers.CharField()
    state = serializers.CharField()
    material = serializers.CharField(allow_blank=True)
    mobile_ion = serializers.CharField()
    reference_method = serializers.CharField()
    cells = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_null=True)
    decision = serializers.CharField(allow_null=True, allow_blank=True)
    n_points = serializers.IntegerField(allow_null=True)
    activation_energy_eV = serializers.FloatField(allow_null=True)
    activation_energy_error_eV = serializers.FloatField(allow_null=True)
    temperature_K = serializers.FloatField()
    extrapolated = serializers.BooleanField(allow_null=True)
    diffusivity_cm2_s = serializers.FloatField(allow_null=True)
    diffusivity_error_cm2_s = serializers.FloatField(allow_null=True)
    diffusivity_low_cm2_s = serializers.FloatField(allow_null=True)
    diffusivity_high_cm2_s = serializers.FloatField(allow_null=True)
    conductivity_mS_cm = serializers.FloatField(allow_null=True)
    conductivity_error_mS_cm = serializers.FloatField(allow_null=True)
    conductivity_low_mS_cm = serializers.FloatField(allow_null=True)
    conductivity_high_mS_cm = serializers.FloatField(allow_null=True)
    fitted_from_K = serializers.FloatField(allow_null=True)
    fitted_to_K = serializers.FloatField(allow_null=True)


class ComparisonSerializer(serializers.Serializer):
    campaigns = ComparedSerializer(many=True)
    published = serializers.ListField(child=serializers.DictField(), help_text="published values of compounds of the same elements")
