from django.db import migrations, models


def known_by_their_key(apps, schema_editor):
    """Files of campaigns that are there already know a run by its primary key."""
    apps.get_model("campaigns", "MdRun").objects.update(number=models.F("id"))


class Migration(migrations.Migration):

    dependencies = [("campaigns", "0008_overruling")]

    operations = [
        migrations.AddField("mdrun", "number", models.PositiveBigIntegerField(null=True)),
        migrations.RunPython(known_by_their_key, migrations.RunPython.noop),
        migrations.AlterField(
            "mdrun",
            "number",
            models.PositiveBigIntegerField(
                help_text="by which files of the campaign know it (the judge's result, curves): it stays when the campaign moves elsewhere"
            ),
        ),
        migrations.AddConstraint("mdrun", models.UniqueConstraint(fields=("campaign", "number"), name="md_run_number_once")),
    ]
