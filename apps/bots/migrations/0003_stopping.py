import django.db.models.deletion
from django.db import migrations, models

OF_ITS_ACTIVATION = """
UPDATE bots_waivedgate AS waived SET version_id = activation.version_id
FROM bots_activation AS activation WHERE activation.id = waived.activation_id
"""


def _version(**kwargs):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to="strategies.strategyversion",
        **kwargs,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0002_decisions_logs_and_gates"),
        ("strategies", "0002_validation"),
    ]
    operations = [
        migrations.AlterModelOptions(name="activation", options={"ordering": ["-pk"]}),
        # What a strategy prints is in its log.
        migrations.RemoveField(model_name="decision", name="output"),
        migrations.AddField(
            model_name="activation",
            name="stopped_at",
            field=models.DateTimeField(help_text="Since when it is over for good", null=True),
        ),
        migrations.RemoveConstraint(model_name="waivedgate", name="gate_waived_once"),
        migrations.AddField(
            model_name="waivedgate", name="version", field=_version(null=True)
        ),
        migrations.RunSQL(OF_ITS_ACTIVATION, migrations.RunSQL.noop),
        # Foreign keys are checked when a transaction ends; the column can't be altered before.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL IMMEDIATE"),
        migrations.AlterField(model_name="waivedgate", name="version", field=_version()),
        migrations.AddConstraint(
            model_name="waivedgate",
            constraint=models.UniqueConstraint(
                fields=("activation", "version", "gate"), name="gate_waived_once"
            ),
        ),
    ]
