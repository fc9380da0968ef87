"""What to be aware of in a protocol's settings before anything runs: they can be carried out, but the answer will be rough."""

from collections.abc import Collection, Sequence

from campaigns.science.protocol import PRESETS, ProtocolSettings

ADVISED_SPAN_1000_T_K = 0.6  # K⁻¹, of 1000/T: the paper's 600 to 1000 K span 0.67
ADVISED_TEMPERATURES = 5
PAPER_LOWEST_K = 600.0
HOT_RAMP_K = 1500.0  # most solid electrolytes melt or decompose below
PAPER_FORCE_COMPONENTS = 30_000  # the paper's smallest S0
# What is rough by design is said in one sentence, not setting by setting.
PRESET_NOTES = {
    "quick": "quick shows the whole way once: with short runs, a narrow range of temperatures and a small S0, D and Ea are rough. "
    "For values to rely on take standard or paper.",
}


def span_1000_T_K(temperatures_K: Collection[float]) -> float:
    """How far the temperatures reach on the axis of an Arrhenius plot, 1000/T, in K⁻¹."""
    return 1000 / min(temperatures_K) - 1000 / max(temperatures_K)


def setting_cautions(preset: str, chosen: ProtocolSettings, training: Sequence[int]) -> list[str]:
    """One sentence each; those about settings that are as in a preset with a note are in that note. `training`: atoms of each cell."""
    made_with, note = PRESETS[preset], PRESET_NOTES.get(preset)
    found = _found(chosen, training)
    if not note:
        return [text for _, text in found]
    own = [text for names, text in found if any(getattr(chosen, name) != getattr(made_with, name) for name in names)]
    return [note, *own] if len(own) < len(found) else own


def _found(chosen: ProtocolSettings, training: Sequence[int]) -> list[tuple[tuple[str, ...], str]]:
    """Each caution with the settings that it is about."""
    found: list[tuple[tuple[str, ...], str]] = []
    temperatures_K = chosen.evaluation_temperatures_K
    where, span = ("evaluation_temperatures_K",), span_1000_T_K(temperatures_K)
    if len(temperatures_K) < ADVISED_TEMPERATURES:
        found.append((where, f"{len(temperatures_K)} evaluation temperatures: an Arrhenius fit wants at least {ADVISED_TEMPERATURES}."))
    if span < ADVISED_SPAN_1000_T_K:
        text = (
            f"Over the evaluation temperatures 1000/T spans {span:.2f} K⁻¹; with less than {ADVISED_SPAN_1000_T_K:g} K⁻¹ the error of Ea "
        )
        found.append((where, f"{text}will be large."))
    if min(temperatures_K) < PAPER_LOWEST_K:
        text = f"Evaluation below {PAPER_LOWEST_K:g} K: few ions hop there in a run of this length; "
        found.append((where, f"{text}the paper stays above {PAPER_LOWEST_K:g} K."))
    components = chosen.s0_frames_per_temperature * len(chosen.s0_temperatures_K) * 3 * max(training, default=0)
    if training and components < PAPER_FORCE_COMPONENTS:
        text = f"S0 will hold {components:,} force components; the paper's smallest had {PAPER_FORCE_COMPONENTS:,}."
        found.append((("s0_frames_per_temperature", "s0_temperatures_K"), text))
    found += _of_ramp(chosen)
    last_K = chosen.ramp_temperatures_K[-1]
    if chosen.ramp_T_max_K - last_K > 1e-6 * chosen.ramp_T_max_K:
        text = f"Steps of {chosen.ramp_T_step_K:g} K from {chosen.ramp_T_min_K:g} K do not meet {chosen.ramp_T_max_K:g} K: "
        found.append((("ramp_T_min_K", "ramp_T_max_K", "ramp_T_step_K"), f"{text}the last exploration of a loop is at {last_K:g} K."))
    where = ("evaluated_steps_per_loop", "ramp_T_min_K", "ramp_T_max_K", "ramp_T_step_K")
    if min(chosen.evaluated_steps_per_loop, len(chosen.ramp_temperatures_K)) < 2:
        text = "One evaluated model per loop: D has nothing to be compared with, so every loop that is allowed will be run."
        found.append((where, text))
    elif chosen.evaluated_steps_per_loop < 3:
        text = "Fewer than 3 evaluated models per loop: D cannot be called stationary, and every loop that is allowed will be run."
        found.append((where, text))
    return found


def _of_ramp(chosen: ProtocolSettings) -> list[tuple[tuple[str, ...], str]]:
    """Temperatures at which a solid is none, and evaluation where nothing was explored."""
    found: list[tuple[tuple[str, ...], str]] = []
    ramp, evaluated = chosen.ramp_temperatures_K, chosen.evaluation_temperatures_K
    if max(ramp) > HOT_RAMP_K:
        text = f"The ramp goes up to {max(ramp):g} K: most solid electrolytes melt or decompose below {HOT_RAMP_K:g} K, and "
        found.append((("ramp_T_min_K", "ramp_T_max_K", "ramp_T_step_K"), f"{text}the model would learn the melt."))
    outside = [T for T in evaluated if not min(ramp) <= T <= max(ramp)]
    if outside:
        text = f"Evaluation at {', '.join(f'{T:g}' for T in outside)} K is outside of the ramp ({min(ramp):g} to {max(ramp):g} K): "
        where = ("evaluation_temperatures_K", "ramp_T_min_K", "ramp_T_max_K", "ramp_T_step_K")
        found.append((where, f"{text}the model was not trained on what is seen there."))
    return found
