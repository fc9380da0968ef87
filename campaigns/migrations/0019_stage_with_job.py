from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0018_installation_and_leftovers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='stage',
            index=models.Index(condition=models.Q(('job_state__gt', '')), fields=['job_state'], name='stage_with_job'),
        ),
    ]
