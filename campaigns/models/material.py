"""What a CIF describes."""

from django.conf import settings
from django.db import models

from campaigns.models.project import MaterialQuerySet, Project


class Material(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="materials")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.SET_NULL, related_name="materials")
    name = models.CharField(max_length=200)
    tags = models.CharField(max_length=400, blank=True, help_text="a user's own words, each between commas: `,garnet,oxide,`")
    cif = models.TextField()
    cif_filename = models.CharField(max_length=200)
    cif_sha256 = models.CharField(max_length=64)
    formula = models.CharField(max_length=200)
    reduced_formula = models.CharField(max_length=200)
    space_group = models.CharField(max_length=40)
    space_group_number = models.PositiveSmallIntegerField()
    a_A = models.FloatField()
    b_A = models.FloatField()
    c_A = models.FloatField()
    alpha_deg = models.FloatField()
    beta_deg = models.FloatField()
    gamma_deg = models.FloatField()
    volume_A3 = models.FloatField()
    density_g_cm3 = models.FloatField()
    n_atoms = models.FloatField(help_text="sum of the occupancies of the cell")
    is_disordered = models.BooleanField()
    mobile_ion = models.CharField(max_length=3)
    facts = models.JSONField(help_text="MaterialFacts: sites with occupancies, oxidation states, warnings")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MaterialQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["owner", "cif_sha256"], name="material_once_per_owner")]

    def __str__(self) -> str:
        return self.name

    @property
    def tag_list(self) -> list[str]:
        return [word for word in self.tags.split(",") if word]

    @property
    def particulars(self) -> str:
        """What tells it from others of its name: several cells of one compound are usual."""
        return f"{self.space_group}, {self.n_atoms:.6g} atoms, {self.cif_filename}"
