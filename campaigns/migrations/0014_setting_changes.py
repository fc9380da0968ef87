import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0013_resource_max_jobs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='campaign',
            name='protocol',
            field=models.JSONField(help_text='every setting of ProtocolSettings; what was changed on the way is in SettingChange'),
        ),
        migrations.AlterField(
            model_name='campaign',
            name='version',
            field=models.PositiveIntegerField(default=0, help_text='of the set-up: how often it was saved again'),
        ),
        migrations.CreateModel(
            name='SettingChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('setting', models.CharField(help_text='its name in ProtocolSettings', max_length=60)),
                ('old', models.JSONField()),
                ('new', models.JSONField()),
                ('reason', models.TextField()),
                ('loop', models.PositiveIntegerField(help_text='where the campaign stood; 0: the starting set')),
                ('step', models.PositiveIntegerField()),
                ('by_name', models.CharField(help_text='stays when the account is deleted or the campaign moves elsewhere', max_length=150)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='setting_changes', to='campaigns.campaign')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
    ]
