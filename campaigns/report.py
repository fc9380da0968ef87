"""A campaign in words, for a terminal: progress while it goes, the result at its end."""

import time
from typing import Any

from campaigns.models import Campaign, MethodCheck, Stage
from campaigns.progress import CampaignProgress, stage_progress
from campaigns.queries import LedgerRow
from campaigns.science.plain_numbers import plain
from campaigns.services.estimates import Estimate

NO_WORKER = "No worker is at work on this data folder, so nothing goes on: `make serve` (or `manage.py up`) starts one."


def duration(seconds: float | None) -> str:
    """`1 h 05 min`, `12 min 30 s`, `8 s`; `unknown` where it is."""
    if seconds is None:
        return "unknown"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole:02d} s" if minutes else f"{whole} s"


class ProgressPrinter:
    """One line that changes on a terminal; elsewhere a line when the stage changes and every half minute.

    Its clock goes on where the campaign was stopped: `worked_s` seconds of work went before.
    """

    def __init__(self, out: Any, is_terminal: bool, worked_s: float = 0.0) -> None:
        self._out = out
        self._is_terminal = is_terminal
        self._began = time.monotonic() - worked_s
        self._last_summary = ""
        self._last_time = 0.0

    def show(self, campaign: Campaign, progress: CampaignProgress, waits: str = "") -> None:
        """`waits`: for what, where it waits."""
        line = self._line(progress, waits)
        if self._is_terminal:
            self._out.write("\r\033[K" + line[:150], ending="")
            self._out.flush()
        elif progress.summary != self._last_summary or time.monotonic() - self._last_time > 30:
            self._out.write(line)
            self._out.flush()
            self._last_time = time.monotonic()
        self._last_summary = progress.summary

    def _line(self, progress: CampaignProgress, waits: str) -> str:
        details = [_detail(stage, progress.stages) for stage in progress.stages[:2]]
        eta = "" if waits else _left(progress)
        where = f" [{'; '.join(details)}]" if details else ""
        share = f"{progress.fraction:4.0%} of loop {progress.loop}"
        return f"{duration(time.monotonic() - self._began):>12}  {share}  {waits or progress.summary}{where}{eta}"

    def close(self) -> None:
        if self._is_terminal:
            self._out.write("")


def _left(progress: CampaignProgress) -> str:
    """Nothing where it is not known."""
    return f", about {duration(progress.eta_seconds)} left in it" if progress.eta_seconds else ""


def _detail(stage: Stage, beside: list[Stage]) -> str:
    """How far it is; of several with what they differ in."""
    found = stage_progress(stage)
    names = [f"{stage.temperature_K:g} K"] if stage.temperature_K and len({one.temperature_K for one in beside}) > 1 else []
    names += [str(stage.cell)] if stage.cell and len({one.cell_id for one in beside}) > 1 else []
    far = f"{found.done:g}/{found.total:g} {found.unit}".strip() if found.unit else found.message
    if found.unit and not found.done and found.message:
        far += f", {found.message}"  # nothing moves yet: what it is at
    return f"{', '.join(names)}: {far}" if names else far


def progress_document(progress: CampaignProgress, waits: str) -> dict[str, Any]:
    """Where a campaign stands, for programs."""
    running = [(stage, stage_progress(stage)) for stage in progress.stages]
    return {
        "loop_under_way": progress.loop,
        "progress_fraction": round(progress.fraction, 4),
        "time_left_s": None if progress.eta_seconds is None else round(progress.eta_seconds),
        "loop_became_longer": progress.changed,
        "waiting_for_cores": waits,
        "stages_running": [
            {
                "id": stage.pk, "kind": stage.kind, "loop": stage.loop, "step": stage.step, "temperature_K": stage.temperature_K,
                "cell": str(stage.cell) if stage.cell else None, "replica": stage.replica, "done": found.done, "total": found.total,
                "unit": found.unit, "message": found.message, "progress_fraction": round(found.fraction, 4),
                "time_left_s": None if found.eta_seconds is None else round(found.eta_seconds),
            }
            for stage, found in running
        ],
    }  # fmt: skip


def result_text(found: dict[str, Any], progress: CampaignProgress, ledger: list[LedgerRow]) -> str:
    """The result as a text: verdict of every run, D(T), Ea, cost. `found`: of `queries.result` and `progress_document`."""
    lines = ["", f"Campaign {found['id']}, {found['name']}: {found['state'].replace('_', ' ')}"]
    if found["reason"]:
        lines.append(found["reason"])
    if found["state"] == "running":
        is_at_work = found.get("is_worker_at_work", True)
        left = "" if found.get("waiting_for_cores") or not is_at_work else _left(progress)
        lines.append(f"{progress.summary}, {progress.fraction:.0%} of loop {progress.loop}{left}")
        lines += [text for text in (progress.changed, found.get("waiting_for_cores"), "" if is_at_work else NO_WORKER) if text]
    if found["runs"]:
        lines += ["", *_runs(found), "", _arrhenius(found), *_other_models(found)]
    known = f", {found['labels_found']} more had been computed before" if found["labels_found"] else ""
    lines += ["", "What it cost", f"  {found['labels_computed']} reference calculations ({found['labeller']}){known}"]
    for row in ledger:
        failures = "; ".join(f"{count} × {cause}" for cause, count in row.failures.items())
        lines.append(
            f"  {row.kind:<28} {row.n_stages:>4} {'stage' if row.n_stages == 1 else 'stages':<6}  {duration(row.seconds):>14}"
            + (f"  (start-up {duration(row.startup_seconds)})" if row.startup_seconds else "")
            + (f"  failures: {failures}" if failures else "")
        )
    if found["wall_seconds"]:
        share = found["wall_seconds_in_engines"] / found["wall_seconds"]
        lines.append(f"  {duration(found['wall_seconds'])} from start to end, {share:.0%} of it inside engines")
    return "\n".join(lines)


def check_document(found: MethodCheck, cost: Estimate) -> dict[str, Any]:
    """The check of a reference method and what the campaign will cost by it, for programs."""
    names = ("formula", "n_atoms", "cores", "seconds", "core_seconds", "rms_force_eV_A", "verdict", "sentence", "variants")
    return {"campaign": found.campaign_id, **{name: getattr(found, name) for name in names}} | {
        "labels": cost.labels,
        "label_seconds_all_loops": round(sum(row.seconds for row in cost.rows if row.unit == "labels"), 1),
        "total_seconds_all_loops": round(cost.total_seconds_all_loops, 1),
        "total_seconds_all_loops_low": round(cost.total_seconds_all_loops_low, 1),
        "total_seconds_all_loops_high": round(cost.total_seconds_all_loops_high, 1),
        "based_on": {row.what: row.basis for row in cost.rows},
    }


def check_text(found: MethodCheck, cost: Estimate) -> str:
    """The same as a table."""
    lines = [
        "",
        f"{found.formula}, {found.n_atoms} atoms, rms force {plain(found.rms_force_eV_A)} eV/Å; differences from the label as set",
        f"  {'label':<36} {'energy':>10} {'forces rms':>11} {'largest':>9} {'stress':>9} {'time':>14}",
        f"  {'':<36} {'meV/atom':>10} {'eV/Å':>11} {'eV/Å':>9} {'GPa':>9}",
    ]
    for one in found.variants:
        names = ("energy_difference_meV_atom", "force_rms_difference_eV_A", "force_max_difference_eV_A", "stress_difference_GPa")
        energy, rms, largest, stress = ("-" if one.get(name) is None else plain(one[name]) for name in names)
        name = f"{one['title']} {one['value']}"
        row = f"  {name:<36} {energy:>10} {rms:>11} {largest:>9} {stress:>9} {duration(one['seconds']):>14}"
        lines += [row] + ([f"    {one['cause']}: {one['message']}"] if one["cause"] else [])
    labels = sum(row.seconds for row in cost.rows if row.unit == "labels")
    return "\n".join([
        *lines, "", found.sentence,
        f"One label takes {plain(found.seconds, 3)} s on {found.cores} core{'s' * (found.cores > 1)}, "
        f"{plain(found.core_seconds, 3)} core-seconds.",
        f"The {cost.labels} labels of all loops: about {duration(labels)}; the whole campaign "
        f"{duration(cost.total_seconds_all_loops_low)} to {duration(cost.total_seconds_all_loops_high)}.",
        *[f"  {row.what}: {row.basis}." for row in cost.rows],
    ])  # fmt: skip


def campaigns_text(rows: list[dict[str, Any]]) -> str:
    """A table of campaigns, one a line."""
    lines = [f"{'id':>4}  {'state':<14}{'ion':<5}{'labels by':<12}{'preset':<10}name"]
    lines += [
        f"{row['id']:>4}  {row['state'].replace('_', ' '):<14}{row['mobile_ion']:<5}{row['labeller']:<12}{row['preset']:<10}{row['name']}"
        for row in rows
    ]
    return "\n".join(lines)


def _runs(found: dict[str, Any]) -> list[str]:
    """A table of the NVE runs of the last judged model."""
    lines = [
        f"NVE runs of the model of loop {found['loop']}, step {found['step']}",
        f"  {'target K':>8} {'measured K':>10} {'length ps':>9}  {'D cm2/s':>22}  verdict",
    ]
    cells = {run["cell"] for run in found["runs"]}
    for before, run in zip([None, *found["runs"]], found["runs"], strict=False):
        if len(cells) > 1 and (before is None or before["cell"] != run["cell"]):
            lines.append(f"  {run['cell']}:")
        measured = f"{run['kinetic_temperature_K']:.0f}" if run["kinetic_temperature_K"] else "-"
        diffusivity = "-"
        if run["diffusivity_cm2_s"] is not None:
            diffusivity = f"({run['diffusivity_cm2_s']:.2e} ± {run['diffusivity_error_cm2_s']:.1e})"
        lines.append(
            f"  {run['temperature_K']:>8.0f} {measured:>10} {run['duration_ps']:>9.1f}  {diffusivity:>22}  "
            f"{run['verdict'].replace('_', ' ')}: {run['reason']}"
        )
    return lines


def _arrhenius(found: dict[str, Any]) -> str:
    """Ea of the first evaluation cell, then of the others."""
    fits = [found | {"reason": found["fit_note"]}, *found["fit"].get("other_cells", [])]
    return "\n".join(f"In {fit['cell']}: {_energy(fit)}" if "cell" in fit else _energy(fit) for fit in fits)


def _other_models(found: dict[str, Any]) -> list[str]:
    """Ea of the models before the last: what they differ by is not in the error above."""
    others = [one for one in found["models"] if one["step"] != found["step"] and one["activation_energy_eV"] is not None]
    texts = [f"{one['activation_energy_eV']:.3f} ± {one['activation_energy_error_eV']:.3f} eV (step {one['step']})" for one in others]
    return [f"The models before it in this loop gave {', '.join(texts)}."] if texts else []


def _energy(fit: dict[str, Any]) -> str:
    energy, error = fit["activation_energy_eV"], fit["activation_energy_error_eV"]
    if energy is None:
        return f"No activation energy: {fit['reason']}"
    return f"Ea = {energy:.3f} ± {error:.3f} eV from {fit['n_points']} temperatures. {fit['reason']}".rstrip()
