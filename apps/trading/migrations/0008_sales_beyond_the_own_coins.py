from typing import Any

from django.db import migrations, models


def suspect_what_has_closed(apps: Any, _editor: Any) -> None:
    """Whether those sold more than they had was not kept; what is open has not."""
    apps.get_model("trading", "Position").objects.exclude(closed_at=None).update(is_oversold=True)


class Migration(migrations.Migration):
    dependencies = [("trading", "0007_stream_error")]

    operations = [
        migrations.AddField(
            model_name="position",
            name="is_oversold",
            field=models.BooleanField(
                default=False, help_text="Coins were sold that were not its own"
            ),
        ),
        migrations.RunPython(suspect_what_has_closed, migrations.RunPython.noop),
    ]
