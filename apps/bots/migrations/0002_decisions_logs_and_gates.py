import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OF_ITS_ACTIVATION = """
UPDATE bots_decision AS decision SET version_id = activation.version_id
FROM bots_activation AS activation WHERE activation.id = decision.activation_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0001_initial"),
        ("strategies", "0002_validation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="decision",
            name="version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="strategies.strategyversion",
            ),
        ),
        migrations.RunSQL(OF_ITS_ACTIVATION, migrations.RunSQL.noop),
        # Foreign keys are checked when a transaction ends; the column can't be altered before.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL IMMEDIATE"),
        migrations.AddField(
            model_name='decision',
            name='answer',
            field=models.JSONField(default=dict, help_text='What its methods returned'),
        ),
        migrations.AddField(
            model_name='decision',
            name='inputs_digest',
            field=models.CharField(default='', help_text='SHA-256 of candles, balance, position and parameters; empty: it was not asked', max_length=64),
        ),
        migrations.AlterField(
            model_name='decision',
            name='version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='strategies.strategyversion'),
        ),
        migrations.CreateModel(
            name='StrategyLog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('level', models.CharField(choices=[('info', 'Information'), ('warning', 'Warning'), ('error', 'Error')], max_length=10)),
                ('message', models.TextField()),
                ('traceback', models.TextField(blank=True, default='', help_text="The strategy's own lines")),
                ('data', models.JSONField(default=dict, help_text='Digest of its candles, balance, position')),
                ('activation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='logs', to='bots.activation')),
                ('owner', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='logs', to='strategies.strategyversion')),
            ],
            options={
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['created_at'], name='log_by_age')],
            },
        ),
        migrations.CreateModel(
            name='WaivedGate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('gate', models.CharField(max_length=20)),
                ('reason', models.TextField()),
                ('activation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='waived_gates', to='bots.activation')),
                ('owner', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('activation', 'gate'), name='gate_waived_once')],
            },
        ),
    ]
