from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "analysis"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from analysis import receivers  # noqa: F401  (connects the receivers)
        from analysis.models import ArrheniusFit, RunDiffusion
        from analysis.views.derived import results
        from campaigns.services import archive_rows, archives

        archive_rows.register(
            archive_rows.Table(RunDiffusion, "md_run__campaign"),
            archive_rows.Table(ArrheniusFit, "model__campaign"),
        )
        archives.DERIVED.append(results)
