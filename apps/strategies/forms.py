"""The strategy's form: code that may not run is kept as well, with what is wrong."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.strategies.blank import BLANK
from apps.strategies.catalogue import Sample
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import SandboxUnavailable
from apps.strategies.services import draft_version, validate_code
from apps.strategies.validation import Problem, Report

MAX_CODE = 100_000
TIMEFRAMES = [(timeframe.value, timeframe.value) for timeframe in Timeframe if timeframe.is_live]


class CodeWidget(UnfoldAdminTextareaWidget):
    """A text area that becomes an editor where there is JavaScript."""

    class Media:
        js = ("django_ace/ace/ace.js", "aristobot/editor.js")

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 32, "spellcheck": "false", "data-code": ""})


class CodeField(forms.CharField):
    """Source code, with the line ends of Python whatever the browser sent."""

    widget = CodeWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=MAX_CODE, strip=False, **kwargs)

    def to_python(self, value: Any) -> str:
        """Lines end with one character."""
        return str(super().to_python(value)).replace("\r\n", "\n")


class CheckForm(forms.Form):
    """Code to be validated as it stands."""

    code = CodeField()
    timeframe = forms.ChoiceField(choices=TIMEFRAMES)


class _VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]  # Django's own fields take no argument
    """One of the versions of a strategy that the page is about."""

    def label_from_instance(self, obj: StrategyVersion) -> str:
        """Its number alone."""
        return f"v{obj.number}"


class ComparisonForm(forms.Form):
    """Two versions of one strategy."""

    old = _VersionField(
        queryset=StrategyVersion.objects.none(),
        to_field_name="number",
        empty_label=None,
        label="From",
        widget=UnfoldAdminSelectWidget,
    )
    new = _VersionField(
        queryset=StrategyVersion.objects.none(),
        to_field_name="number",
        empty_label=None,
        label="to",
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, strategy: Strategy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.queryset = strategy.versions.all()  # type: ignore[attr-defined]  # of versions


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """Shows the newest version's code; a new strategy starts from a sample, or from a blank one."""

    code = CodeField(
        help_text="Every save makes a version; what is active keeps running the version it was given.",
    )
    upload = forms.FileField(
        required=False,
        label="From a file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".py"}),
        help_text="A .py file takes the place of the code above.",
    )
    report: Report
    owner: User
    sample: Sample | None = None

    class Meta:
        model = Strategy
        fields = ("name", "timeframe", "description", "code", "upload")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.newest = self.instance.versions.first() if self.instance.pk else None
        start = self.newest or self.sample
        self.fields["code"].initial = start.code if start else BLANK

    def clean(self) -> dict[str, Any]:
        """The code, from wherever it comes, and what validation finds in it."""
        data: dict[str, Any] = super().clean() or {}
        if self.errors.get("code"):
            return data
        data["code"] = self._read_upload(data) or data["code"]
        if not data["code"].strip():
            self.add_error("code", "Write some code, or choose a file.")
        if not self.errors:
            timeframe = Timeframe(data["timeframe"])
            self.report = check_code(data["code"], self.instance.owner, timeframe)
        return data

    def _read_upload(self, data: dict[str, Any]) -> str:
        if not (upload := data.get("upload")):
            return ""
        try:
            text: str = upload.read(4 * MAX_CODE + 1).decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self.add_error("upload", f"{upload.name} is no text in UTF-8. Save it as such.")
        elif len(text) > MAX_CODE:
            self.add_error("upload", f"{upload.name} has more than {MAX_CODE:,} characters.")
        return text

    @property
    def shown(self) -> StrategyVersion | None:
        """The version that the page tells about: what was just sent, else the newest."""
        if hasattr(self, "report"):
            return draft_version(self.cleaned_data["code"], self.report, timezone.now())
        return None if self.is_bound else self.newest


def check_code(code: str, owner: User, timeframe: Timeframe) -> Report:
    """Validate `code`; that it can't be checked now is a problem like others, so that nothing is lost."""
    try:
        return validate_code(code, owner, timeframe)
    except SandboxUnavailable as error:
        return Report(problems=(Problem(None, f"It could not be checked: {error} Save it again."),))
