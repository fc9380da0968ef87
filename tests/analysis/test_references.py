"""Published values: one unit, a definition for every activation energy, a source that can be found."""

from analysis.references import every, of_elements


def test_activation_energies_say_what_was_fitted_or_that_it_is_not_stated():
    energies = [one for one in every() if one.quantity == "activation_energy"]
    assert {one.fitted_to for one in energies} == {"ln D", "ln σ", "not stated"}
    assert all(one.fitted_to == "ln D" for one in energies if "MD" in one.method)
    (matsui,) = [one for one in energies if one.definition == "ln sigma"]
    assert (matsui.citation.split()[0], matsui.middle) == ("Matsui", 0.2)
    assert not any(one.definition for one in every() if one.quantity != "activation_energy")


def test_conductivities_have_the_unit_of_the_pages():
    (kamaya,) = [one for one in every() if one.citation == "Kamaya 2011" and one.quantity == "conductivity" and one.temperature_K == 298]
    assert (kamaya.middle, kamaya.unit) == (12.0, "mS/cm")
    assert all(1e-5 < one.low < 100 for one in every() if one.unit == "mS/cm")


def test_every_shipped_solid_electrolyte_has_published_values():
    found = {reference.material for reference in of_elements({frozenset(["Li", "N"])})}
    assert found == {"Li3N"}
    nitride = of_elements({frozenset(["Li", "N"])})
    assert sorted((one.quantity, one.low) for one in nitride) == [
        ("activation_energy", 0.25), ("activation_energy", 0.26), ("conductivity", 0.3), ("conductivity", 1.2),
    ]  # fmt: skip
    nasicon = of_elements({frozenset(["Na", "Zr", "Si", "P", "O"])})
    assert {(one.low, one.high, one.kind) for one in nasicon} == {
        (0.2, 0.2, "simulation"),
        (0.2, 0.4, "simulation"),
        (0.18, 0.2, "experiment"),
    }


def test_every_value_has_its_source_and_method():
    assert all(one.doi and one.citation and one.method for one in every())
