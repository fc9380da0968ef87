"""Thresholds of a campaign that is under way: changed on a page and over the API, shown in the settings and in the report."""

from django.urls import reverse

from campaigns.forms.settings import ThresholdsForm
from campaigns.models import SettingChange
from tests import factories
from tests.web.programs import at, post


def typed(row, **changes):
    shown = ThresholdsForm(row)
    values = {name: shown[name].value() for name in shown.fields}
    sent = {name: value for name, value in values.items() if value is not None and value is not False}
    return sent | {"reason": "the medians moved"} | changes


def test_a_threshold_is_changed_on_a_page_with_a_reason(as_ada, ada):
    row = factories.full_campaign(ada)
    address = reverse("campaign-change-settings", args=[row.pk])
    settings_page = reverse("campaign-settings", args=[row.pk])
    assert address in as_ada.get(settings_page).content.decode()
    assert as_ada.get(address).status_code == 200
    refused = as_ada.post(address, typed(row, clean_force_factor="5", reason=""))
    assert (refused.status_code, "reason" in refused.context["form"].errors) == (422, True)
    assert "Nothing was changed" in as_ada.post(address, typed(row)).content.decode()
    opened_before = typed(row, clean_force_factor="6")
    assert as_ada.post(address, typed(row, clean_force_factor="5", clean_bond_variation="on")).url == settings_page
    assert "Somebody" in as_ada.post(address, opened_before).content.decode()
    assert set(SettingChange.objects.values_list("setting", "new")) == {("clean_force_factor", 5.0), ("clean_bond_variation", True)}
    for page in (settings_page, reverse("campaign-report", args=[row.pk])):
        text = as_ada.get(page).content.decode()
        assert "the medians moved" in text
        assert "Force factor f" in text
    assert "Not all stages had the same settings" in as_ada.get(reverse("campaign-report", args=[row.pk])).content.decode()


def test_and_over_the_api(api, ada):
    row = factories.campaign(ada, loop=2)
    made = post(api, "settingchange-list", {"changes": {"stationary_spread_dex": 0.2}, "reason": "as agreed", "version": 0}, row.pk)
    assert made.status_code == 201
    (change,) = made.json()
    expected = {"setting": "stationary_spread_dex", "unit": "log10 D", "old": 0.1, "new": 0.2, "reason": "as agreed", "by_name": "ada"}
    assert expected.items() <= change.items()
    assert (change["loop"], change["step"]) == (2, 2)
    again = post(api, "settingchange-list", {"changes": {"stationary_spread_dex": 0.3}, "reason": "again", "version": 0}, row.pk)
    assert (again.status_code, again.json()["code"]) == (409, "outdated")
    refused = post(api, "settingchange-list", {"changes": {"cutoff_A": 3}, "reason": "again"}, row.pk)
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["cutoff_A"])
    assert api.get(at("settingchange-list", row.pk)).json()["results"] == [change]
    now = api.get(at("campaign-detail", row.pk)).json()
    assert (now["protocol"]["stationary_spread_dex"], now["version"]) == (0.2, 1)
