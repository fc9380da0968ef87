from django.db import migrations, models


def one_on_machines_without_a_queue(apps, schema_editor):
    resources = apps.get_model("campaigns", "Resource").objects
    resources.filter(definition__machine__batch_type="Shell").update(max_jobs=1)


class Migration(migrations.Migration):

    dependencies = [("campaigns", "0012_stage_cores_short")]

    operations = [
        migrations.AddField(
            "resource",
            "max_jobs",
            models.PositiveSmallIntegerField(null=True, blank=True, help_text="jobs at a time; empty: as many as there are stages"),
        ),
        migrations.RunPython(one_on_machines_without_a_queue, migrations.RunPython.noop),
    ]
