"""Configurations with their labels, where they came from, and the verdict of cleaning with the rule and the number that decided."""

from django.db import models

from campaigns.enums import CleaningRule, FrameSource, Verdict
from campaigns.models.artefact import Artefact
from campaigns.models.campaign import Campaign, Cell
from campaigns.models.signed import Signed
from campaigns.models.stage import Stage


class Frame(models.Model):
    """One configuration. Nothing is ever deleted: a rejected one keeps its labels and can come back when the medians move."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="frames")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="frames", help_text="that labelled it")
    cell = models.ForeignKey(Cell, null=True, blank=True, on_delete=models.CASCADE)
    artefact = models.ForeignKey(Artefact, on_delete=models.PROTECT, help_text="frames file; of the snapshots where there is no label")
    row = models.PositiveIntegerField(help_text="in the frames file")
    source = models.CharField(max_length=10, choices=FrameSource)
    loop = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    temperature_K = models.FloatField(null=True, blank=True)
    time_ps = models.FloatField(null=True, blank=True)
    n_atoms = models.PositiveIntegerField()
    composition = models.CharField(max_length=100, help_text="reduced; energies per atom are compared within one composition")
    energy_eV_atom = models.FloatField(null=True, blank=True)
    max_force_eV_A = models.FloatField(null=True, blank=True)
    rms_force_eV_A = models.FloatField(null=True, blank=True)
    min_distance_A = models.FloatField(null=True, blank=True)
    max_bond_variation = models.FloatField(null=True, blank=True)
    model_energy_error_meV_atom = models.FloatField(null=True, blank=True, help_text="before it entered the set")
    model_force_rmse_eV_A = models.FloatField(null=True, blank=True, help_text="before it entered the set")
    model_deviation_eV_A = models.FloatField(
        null=True, blank=True, help_text="largest standard deviation of a force among the models that chose it"
    )
    verdict = models.CharField(max_length=10, choices=Verdict)
    overruled = models.CharField(max_length=10, choices=Verdict, blank=True, help_text="a person's verdict instead of cleaning's")
    rule = models.CharField(max_length=20, choices=CleaningRule, blank=True, help_text="by which cleaning rejects it")
    number = models.FloatField(null=True, blank=True, help_text="the value that the rule tested")
    lower = models.FloatField(null=True, blank=True)
    upper = models.FloatField(null=True, blank=True)
    verdict_changes = models.PositiveSmallIntegerField(default=0, help_text="how often the verdict has changed since it came in")
    message = models.TextField(blank=True, help_text="why the label failed")
    cause = models.CharField(max_length=40, blank=True, help_text="of a label that failed, in one word")
    label_seconds = models.FloatField(null=True, blank=True)
    label_attempts = models.JSONField(default=list, help_text="of a method that tries again with other settings; empty where the first did")
    label_found = models.BooleanField(default=False, help_text="it had been computed before")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["artefact", "row"], name="frame_once")]
        indexes = [models.Index(fields=["campaign", "loop", "step"]), models.Index(fields=["campaign", "verdict"])]

    def __str__(self) -> str:
        return f"configuration {self.pk} of campaign {self.campaign_id}"

    @property
    def cleaning_verdict(self) -> str:
        """What cleaning says, whatever a person has said instead."""
        if self.verdict == Verdict.UNLABELLED:
            return Verdict.UNLABELLED
        return Verdict.REJECTED if self.rule else Verdict.KEPT

    @property
    def last_overruling(self) -> "Overruling | None":
        return max(self.overrulings.all(), key=lambda one: one.pk, default=None)


class Overruling(Signed):
    """A person gave a configuration another verdict than cleaning, or took that back. None is ever changed: the last one counts."""

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="overrulings")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True, help_text="empty: cleaning's verdict counts again")

    def __str__(self) -> str:
        return f"{self.verdict or 'withdrawn'} by {self.by_name}"


class TrainingSet(models.Model):
    """S_i: what cleaning found when the configurations of a step had come in. Loop 0, step 0 is S0.

    A step that is repeated after its set was made (a failed campaign goes on) has another one.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="training_sets")
    loop = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    repeat = models.PositiveIntegerField(default=0)
    n_new = models.PositiveIntegerField()
    n_kept = models.PositiveIntegerField()
    n_rejected = models.PositiveIntegerField()
    n_unlabelled = models.PositiveIntegerField()
    energy_median_eV_atom = models.FloatField()
    energy_iqr_eV_atom = models.FloatField()
    force_median_eV_A = models.FloatField()
    force_iqr_eV_A = models.FloatField()

    class Meta:
        ordering = ["loop", "step", "repeat"]
        constraints = [models.UniqueConstraint(fields=["campaign", "loop", "step", "repeat"], name="training_set_once")]

    def __str__(self) -> str:
        return f"S({self.loop}.{self.step}) of campaign {self.campaign_id}"

    @property
    def title(self) -> str:
        """As a user reads it."""
        again = f", repeated {self.repeat} time{'s' * (self.repeat > 1)}" if self.repeat else ""
        return f"training set of loop {self.loop}, step {self.step}{again}" if self.loop else "starting set S0"

    def members(self) -> models.QuerySet[Frame]:
        """The configurations of S_i as it was trained on, whatever their verdict has become since."""
        changes = VerdictChange.objects.filter(frame=models.OuterRef("pk"), training_set_id__lte=self.pk).order_by("-training_set_id")
        then = models.Subquery(changes.values("verdict")[:1])
        return Frame.objects.filter(campaign_id=self.campaign_id).alias(then=then).filter(then=Verdict.KEPT)


class VerdictChange(models.Model):
    """Cleaning gave a configuration its first verdict, or another one than before: its history, and who belonged to which S_i."""

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="history")
    training_set = models.ForeignKey(TrainingSet, on_delete=models.CASCADE, related_name="changes")
    verdict = models.CharField(max_length=10, choices=Verdict)
    overruled = models.BooleanField(default=False, help_text="a person said so, whatever the rule says")
    rule = models.CharField(max_length=20, choices=CleaningRule, blank=True)
    number = models.FloatField(null=True, blank=True)
    lower = models.FloatField(null=True, blank=True)
    upper = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["training_set_id"]
        constraints = [models.UniqueConstraint(fields=["frame", "training_set"], name="verdict_change_once")]

    def __str__(self) -> str:
        return f"{self.verdict} in {self.training_set}"
