from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("campaigns", "0011_projects_links_activity")]

    operations = [
        migrations.AddField(
            "stage",
            "cores_short",
            models.FloatField(null=True, blank=True, help_text="of its cores, how many other work used; empty where not known"),
        ),
    ]
