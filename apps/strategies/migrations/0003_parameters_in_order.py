import apps.core.fields
from django.db import migrations

# In the order in which the code first writes the names.
_TO_PAIRS = """
UPDATE strategies_strategyversion SET parameters = (
    SELECT coalesce(jsonb_agg(jsonb_build_array(key, value)
                              ORDER BY position('"' || key || '"' IN code)), '[]')
    FROM jsonb_each(parameters))
"""
_TO_OBJECT = """
UPDATE strategies_strategyversion SET parameters = (
    SELECT coalesce(jsonb_object_agg(pair ->> 0, pair -> 1), '{}')
    FROM jsonb_array_elements(parameters) AS pair)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('strategies', '0002_validation'),
    ]

    operations = [
        migrations.AlterField(
            model_name='strategyversion',
            name='parameters',
            field=apps.core.fields.OrderedJSONField(default=dict, help_text='STRATEGY_PARAMS as the code declares them'),
        ),
        migrations.RunSQL(_TO_PAIRS, _TO_OBJECT),
    ]
