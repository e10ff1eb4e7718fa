"""The strategy's form: code goes through the sandbox before it is saved."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.strategies.catalogue import get_sample
from apps.strategies.models import Strategy
from apps.strategies.sandbox import SandboxUnavailable
from apps.strategies.services import validate_code
from apps.strategies.validation import Report


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """Shows the newest version's code; a new strategy starts from the sample."""

    code = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 32, "spellcheck": "false"}),
        help_text="Every save makes a version; what is active keeps running the version it was given.",
        max_length=100_000,
    )
    report: Report

    class Meta:
        model = Strategy
        fields = ("name", "description", "code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = self.instance.versions.first() if self.instance.pk else None
        self.fields["code"].initial = newest.code if newest else get_sample("ema_cross").code

    def clean_code(self) -> str:
        """Validate it; what is wrong, with the line, is the error."""
        code: str = self.cleaned_data["code"].replace("\r\n", "\n")
        try:
            self.report = validate_code(code, self.instance.owner)
        except SandboxUnavailable as error:
            raise forms.ValidationError(f"The code could not be checked: {error}") from error
        if not self.report.is_valid:
            raise forms.ValidationError([problem.message for problem in self.report.problems])
        return code
