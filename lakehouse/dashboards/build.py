"""Dashboards as Grafana's JSON, and the files that have Grafana find them and their data."""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from lakehouse.dashboards import data, operations
from lakehouse.dashboards.panel import Board, Kind, Panel, Prom, Sql
from specs.errors import Unavailable
from specs.loader import Specs

try:
    with warnings.catch_warnings():
        # It asks for the next schema of dashboards, which no released Grafana reads from files.
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.builders import common as common_builders
        from grafana_foundation_sdk.builders import dashboard as dashboards
        from grafana_foundation_sdk.builders import geomap, prometheus, stat, table, timeseries
        from grafana_foundation_sdk.cog import builder as cog
        from grafana_foundation_sdk.cog import variants
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models import common
        from grafana_foundation_sdk.models import dashboard as models
except ImportError as error:
    raise Unavailable(
        "the dashboards are made with grafana-foundation-sdk, which is installed for development:"
        " `make install`"
    ) from error

COLUMNS = 24
PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="prometheus")
TRINO = common.DataSourceRef(type_val="trino-datasource", uid="trino")
TIME_SERIES, TABLE = 0, 1
UNITS = {
    "kmh": "velocitykmh", "probability|ratio": "percentunit", "delay": "s",
    "hour_of_day|latitude|longitude|windows|segments|scores|runs|_count": "none",
}  # fmt: skip
"""Grafana's unit of a column of a table or map, by a part of its name."""

GREEN, YELLOW, RED = "green", "#EAB839", "red"


class TrinoQuery(variants.Dataquery):
    """A target of the plugin trino-datasource."""

    def __init__(self, text: str, form: int, ref_id: str) -> None:
        """Ask for ``text`` as `TIME_SERIES` or as `TABLE`."""
        self._json = {
            "refId": ref_id, "datasource": TRINO.to_json(), "rawSQL": text, "format": form,
        }  # fmt: skip

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return dict(self._json)


class _Asked(cog.Builder[variants.Dataquery]):
    def __init__(self, query: variants.Dataquery) -> None:
        self._query = query

    def build(self) -> variants.Dataquery:
        return self._query


def _map() -> geomap.Panel:
    where = common.FrameGeometrySource(
        mode=common.FrameGeometrySourceMode.COORDS, latitude="latitude", longitude="longitude"
    )
    style = {
        "color": {"field": "congestion_probability", "fixed": GREEN},
        "size": {"fixed": 6, "min": 4, "max": 12},
        "opacity": 0.8,
    }
    points = common.MapLayerOptions(
        type_val="markers", name="segments", location=where, tooltip=True,
        config={"showLegend": True, "style": style},
    )  # fmt: skip
    basemap = common.MapLayerOptions(type_val="default", name="map")
    view = geomap.MapViewConfig().id("fit").all_layers(True)
    return geomap.Panel().layers([_Given(points)]).basemap(_Given(basemap)).view(view)


def _graph() -> timeseries.Panel:
    dashed = common.GraphThresholdsStyleMode.DASHED
    return timeseries.Panel().thresholds_style(
        common_builders.GraphThresholdsStyleConfig().mode(dashed)
    )


def _figure() -> stat.Panel:
    return stat.Panel().reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))


class _Given(cog.Builder[Any]):
    def __init__(self, made: object) -> None:
        self._made = made

    def build(self) -> Any:
        return self._made


KINDS: dict[Kind, Callable[[], Any]] = {
    "graph": _graph,
    "figure": _figure,
    "table": table.Panel,
    "map": _map,
}


def _target(panel: Panel, question: Prom | Sql, number: int) -> cog.Builder[variants.Dataquery]:
    ref_id = chr(ord("A") + number)
    if isinstance(question, Sql):
        form = TIME_SERIES if panel.kind == "graph" else TABLE
        return _Asked(TrinoQuery(question.text, form, ref_id))
    asked = prometheus.Dataquery().expr(question.expression).ref_id(ref_id).datasource(PROMETHEUS)
    return asked.instant() if panel.kind == "figure" else asked.legend_format(question.legend)


def _limits(panel: Panel) -> dashboards.ThresholdsConfig:
    """From the lowest value up, the colour from there on."""
    steps = [models.Threshold(color=GREEN)]
    if panel.limits is not None:
        look, bad = panel.limits
        colours = ((look, YELLOW), (bad, RED))
        if panel.is_low_bad:
            steps = [models.Threshold(color=RED)]
            colours = ((bad, YELLOW), (look, GREEN))
        steps += [models.Threshold(value=value, color=colour) for value, colour in colours]
    return dashboards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _drawn(panel: Panel, number: int, place: models.GridPos) -> Any:
    drawn = KINDS[panel.kind]().id(number).title(panel.title).description(panel.description)
    source = TRINO if isinstance(panel.questions[0], Sql) else PROMETHEUS
    drawn = drawn.unit(panel.unit).datasource(source).grid_pos(place).thresholds(_limits(panel))
    questions: tuple[Prom | Sql, ...] = panel.questions
    for index, question in enumerate(questions):
        drawn = drawn.with_target(_target(panel, question, index))
    if panel.kind in {"table", "map"}:
        for part, unit in UNITS.items():
            drawn = drawn.override_by_regexp(f"/{part}/", [_set("unit", unit)])
    if panel.kind == "table" and panel.limits is not None:
        coloured = common.TableColoredBackgroundCellOptions()
        drawn = drawn.override_by_regexp(
            "/^(?!hour_of_day)/", [_set("custom.cellOptions", coloured)]
        )
    return drawn


def _set(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _placed(board: Board) -> Iterator[tuple[Panel, models.GridPos]]:
    y = 0
    for row in board.rows:
        x = 0
        for panel in row:
            yield panel, models.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            x += panel.width
        y += max(panel.height for panel in row)


def dashboard_json(board: Board) -> str:
    """The dashboard as Grafana imports it."""
    made = (
        dashboards.Dashboard(board.title).uid(board.uid).description(board.description)
        .tags(["traffic"]).readonly().time(board.since, "now").refresh("30s").timezone("browser")
    )  # fmt: skip
    for number, (panel, place) in enumerate(_placed(board), 1):
        made = made.with_panel(_drawn(panel, number, place))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def boards(specs: Specs) -> tuple[Board, ...]:
    """All dashboards."""
    return (
        operations.overview(specs), operations.pipeline(specs), data.data_quality(specs),
        data.model(specs), data.traffic(specs),
    )  # fmt: skip


DATASOURCES = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Prometheus", "uid": "prometheus", "type": "prometheus", "access": "proxy",
            "url": "$PROMETHEUS_URL", "isDefault": True,
        },
        {
            "name": "Trino", "uid": "trino", "type": "trino-datasource", "access": "proxy",
            "url": "$TRINO_URL", "jsonData": {"catalog": "lake", "tlsAuthWithCACert": True},
            "basicAuth": True, "basicAuthUser": "superset",
            "secureJsonData": {
                "basicAuthPassword": "$TRINO_PASSWORD",
                "tlsCACert": "$__file{/run/trino/certificate.pem}",
            },
        },
    ],
}  # fmt: skip
PROVIDERS = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "traffic", "folder": "Traffic", "type": "file", "allowUiUpdates": False,
            "options": {"path": "/etc/grafana/dashboards"},
        }
    ],
}  # fmt: skip


def grafana_files(specs: Specs) -> dict[str, str]:
    """Text by path below ``deploy/``: five dashboards, and how Grafana is provisioned."""
    files = {f"grafana/dashboards/{one.uid}.json": dashboard_json(one) for one in boards(specs)}
    for path, content in (("datasources", DATASOURCES), ("dashboards", PROVIDERS)):
        text = "# Made by `traffic specs build`.\n" + yaml.safe_dump(content, sort_keys=False)
        files[f"grafana/provisioning/{path}/traffic.yml"] = text
    return files
