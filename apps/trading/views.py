"""Pages and files of the accounts."""

import io
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from apps.brokers.models import Broker
from apps.brokers.selectors import list_brokers
from apps.domain.positions import CostMethod
from apps.trading.selectors import list_equity_points
from apps.trading.statements import write_year


class StatementForm(forms.Form):
    """Whose disposals, of which year, by which method."""

    broker = forms.ModelChoiceField(queryset=Broker.objects.none(), widget=UnfoldAdminSelectWidget)
    year = forms.IntegerField(min_value=2009, max_value=2999, widget=UnfoldAdminIntegerFieldWidget)
    method = forms.ChoiceField(
        choices=[(method.value, method.words) for method in CostMethod],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brokers = list_brokers(user)
        self.fields["broker"].queryset = brokers  # type: ignore[attr-defined]  # a ModelChoiceField
        self.initial = {"broker": brokers.first(), "year": timezone.now().year}


@require_GET
@staff_member_required
def statement(request: HttpRequest) -> HttpResponse:
    """The form, or the file it asks for; own brokers only."""
    form = StatementForm(request.GET or None, user=request.user)
    if not form.is_valid():
        context = {**admin.site.each_context(request), "title": "Yearly statement", "form": form}
        return render(request, "trading/statement.html", context)
    broker, year = form.cleaned_data["broker"], form.cleaned_data["year"]
    method = CostMethod(form.cleaned_data["method"])
    file = io.StringIO()
    write_year(broker=broker, year=year, method=method, file=file)
    name = f"{slugify(broker.name) or broker.pk}-{year}-{method.value}.csv"
    return HttpResponse(
        file.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
@staff_member_required
def equity(request: HttpRequest) -> JsonResponse:
    """What the user's brokers were worth, one line each, as the chart takes it."""
    lines = [
        {"name": broker.name, "points": list_equity_points(broker)}
        for broker in list_brokers(request.user)  # type: ignore[arg-type]  # staff
    ]
    return JsonResponse({"lines": [line for line in lines if line["points"]]})
