"""`traffic model`: what scores taught, and which model scores next."""

from typing import Annotated, Any

import typer

from lakehouse.commands.answer import Json, print_json

CHALLENGER = "challenger"
NOTHING_DONE = 3
"""Exit code with `--exit-code`: neither a failure nor wrong input."""


def quality(
    act: Annotated[bool, typer.Option("--act", help="Roll a harmful champion back.")] = False,
    as_json: Json = False,
) -> None:
    """Fill the outcomes of scores whose horizon has passed; live quality and drift of the champion.

    The rollback rule of ml.yaml says when a champion does harm.
    """
    from lakehouse.jobs.drift import live_drift
    from lakehouse.jobs.model_guard import ModelGuard
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings = Settings()
    lake, uri = Lake(settings.lake, load_specs()), mlflow_uri(settings)
    found = ModelGuard(lake, uri).look(act=act)
    drift = live_drift(lake, uri)
    if as_json:
        print_json({**found.plain(), "drift": drift})
        return
    print(f"{found.outcomes_written} outcomes written; champion is version {found.champion}")
    for horizon, measured in found.quality.items():
        print(f"{horizon} min: " + ", ".join(f"{name} {_shown(v)}" for name, v in measured.items()))
    for name, value in sorted(drift.items(), key=lambda one: -one[1])[:5]:
        print(f"drift of {name}: {value:.3f}")
    print(found.must_go or "the champion may stay")


def compare(as_json: Json = False) -> None:
    """Hold the challenger's shadow scores against the champion's, on the same live outcomes."""
    found = _verdict()
    _tell(found, as_json)


def promote(
    model: Annotated[str, typer.Option(help="Alias or version.")] = CHALLENGER,
    force: Annotated[bool, typer.Option("--force", help="Ask nothing of it.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 where none was promoted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the challenger champion if it has shown what ml.yaml asks for, or if forced to.

    Where it has not, or no model is challenger, the champion stays and the reasons are told.
    """
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from ml.registry import promote as to_champion
    from ml.registry import resolve
    from specs.loader import load_specs

    uri, specs = mlflow_uri(Settings()), load_specs()
    found: dict[str, Any]
    if force:
        found = {"model_version": resolve(uri, specs, model), "promoted": True, "reasons": []}
    else:
        found = _verdict(model)
        found["promoted"] = found.pop("is_better")
    if found["promoted"]:
        found["previous_version"] = to_champion(uri, specs, found["model_version"])
    _tell(found, as_json)
    if exit_code and not found["promoted"]:
        raise typer.Exit(NOTHING_DONE)


def rollback(as_json: Json = False) -> None:
    """Bring the champion's predecessor back."""
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from ml.registry import rollback as to_previous
    from specs.loader import load_specs

    now, before = to_previous(mlflow_uri(Settings()), load_specs())
    _tell({"model_version": now, "previous_version": before}, as_json)


def refresh(
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 where no model is champion.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Renew what the champion knows of recent days, from silver; its trees stay the same."""
    from lakehouse.jobs.refresh import refresh_champion
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from ml.registry import champion_version
    from specs.loader import load_specs

    settings, specs = Settings(), load_specs()
    uri = mlflow_uri(settings)
    if exit_code and champion_version(uri, specs) is None:
        _tell({"model_version": None, "refreshed_from": None}, as_json)
        raise typer.Exit(NOTHING_DONE)
    version, before = refresh_champion(Lake(settings.lake, specs), uri)
    _tell({"model_version": version, "refreshed_from": before}, as_json)


def _verdict(model: str = CHALLENGER) -> dict[str, Any]:
    """What the promotion rule says of a model; that there is no challenger is an answer too."""
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from ml.registry import alias_versions, resolve, show
    from specs.loader import load_specs

    settings, specs = Settings(), load_specs()
    uri = mlflow_uri(settings)
    if model == CHALLENGER and CHALLENGER not in alias_versions(uri, specs):
        return {"model_version": None, "is_better": False, "reasons": ["no model is challenger"]}
    from lakehouse.jobs.outcomes import Outcomes
    from lakehouse.tables import Lake
    from ml.promotion import verdict

    lake = Lake(settings.lake, specs)
    version = resolve(uri, specs, model)
    outcomes = Outcomes(lake)
    outcomes.fill()
    report = show(uri, specs, str(version))
    took = None if report is None else report.run_metrics.get("scoring_ms")
    found = verdict(outcomes.duel(version), took, specs.ml.promotion)
    return {"model_version": version, **found.plain()}


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if isinstance(value, dict):
            print("\n".join(f"{key}: {_shown(one)}" for key, one in value.items()))
        elif isinstance(value, list | tuple):
            print("\n".join(f"{name}: {one}" for one in value) or f"{name}: none")
        else:
            print(f"{name}: {value}")


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
