"""Tags of materials."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0015_request_keys")]

    operations = [
        migrations.AddField(
            model_name="material",
            name="tags",
            field=models.CharField(blank=True, default="", help_text="a user's own words, each between commas: `,garnet,oxide,`", max_length=400),
            preserve_default=False,
        ),
    ]
