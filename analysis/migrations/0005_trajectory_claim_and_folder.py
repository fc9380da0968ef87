from django.db import migrations, models
from django.db.models.functions import Cast

import analysis.models.trajectory


def name_folders(apps, schema_editor):
    """Folders of earlier releases are called by the number of the row."""
    rows = apps.get_model('analysis', 'TrajectoryAnalysis').objects
    rows.update(folder_name=Cast('pk', models.CharField(max_length=32)))


class Migration(migrations.Migration):

    dependencies = [
        ('analysis', '0003_trajectory_project'),
    ]

    operations = [
        migrations.AddField(
            model_name='trajectoryanalysis',
            name='claimed_by',
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name='trajectoryanalysis',
            name='lease_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='trajectoryanalysis',
            name='folder_name',
            field=models.CharField(default=analysis.models.trajectory.new_folder_name, help_text='it has its files before there is a row', max_length=32),
        ),
        migrations.RunPython(name_folders, migrations.RunPython.noop),
    ]
