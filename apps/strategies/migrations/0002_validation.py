import apps.domain.candles
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('strategies', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='strategy',
            name='timeframe',
            field=models.CharField(choices=[('1m', '1m'), ('3m', '3m'), ('5m', '5m'), ('15m', '15m'), ('1h', '1h'), ('2h', '2h'), ('4h', '4h')], default=apps.domain.candles.Timeframe['M15'], help_text='The candles it is meant for; each activation may choose others.', max_length=3),
        ),
        migrations.AddField(
            model_name='strategyversion',
            name='problems',
            field=models.JSONField(default=list, help_text='What was found: line, message, severity'),
        ),
        migrations.AddField(
            model_name='strategyversion',
            name='rehearsal_bytes',
            field=models.BigIntegerField(help_text='Memory of its own in the dry run', null=True),
        ),
        migrations.AddField(
            model_name='strategyversion',
            name='rehearsal_ms',
            field=models.FloatField(help_text='Time of the dry run', null=True),
        ),
        migrations.AddField(
            model_name='strategyversion',
            name='validated_at',
            field=models.DateTimeField(help_text='Since when it may run; empty: it may not', null=True),
        ),
        migrations.AlterField(
            model_name='strategyversion',
            name='class_name',
            field=models.CharField(blank=True, default='', max_length=100),
        ),
        # What was saved until now, the sandbox had taken.
        migrations.RunSQL(
            "UPDATE strategies_strategyversion SET validated_at = created_at", migrations.RunSQL.noop
        ),
    ]
