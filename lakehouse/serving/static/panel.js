/** Beside the map: the segments in the order of their trouble, or one segment in detail. */

import { speedChart } from "./chart.js";
import { clock, dayAndClock, duration, element, kmh, percent, ratio } from "./format.js";

const SHOWN = 60;

/** Every segment that fits the filter, worst first; each is a button. */
export function showList(rows, { filter, choose, title }) {
  document.getElementById("list-title").textContent = title;
  const wanted = filter.trim().toLocaleLowerCase();
  const found = rows.filter((row) => `${row.name} ${row.segment_id}`.toLocaleLowerCase().includes(wanted));
  const items = found.slice(0, SHOWN).map((row) => {
    const button = element("button", { type: "button", "data-choose": row.segment_id },
      element("i", { class: row.level }),
      element("span", { class: "name" }, row.name),
      element("span", { class: "share" }, row.headline),
      element("span", { class: "speeds" }, row.speeds),
      element("span", { class: "aside" }, row.aside),
    );
    button.addEventListener("click", () => choose(row.segment_id));
    return element("li", {}, button);
  });
  const list = document.getElementById("segments");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.choose : null;
  list.replaceChildren(...items);
  if (!found.length) list.append(element("li", { class: "empty" }, rows.length ? "No road has this in its name." : "No segment has current data."));
  if (found.length > SHOWN) list.append(element("li", { class: "empty" }, `and ${found.length - SHOWN} more; type to find one`));
  if (focused) list.querySelector(`[data-choose="${CSS.escape(focused)}"]`)?.focus();
}

/** Arrow keys go through the list. */
export function walkList(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...document.querySelectorAll("#segments button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** One segment: level, speed and band, forecasts, the last hours. */
export function showDetail({ road, row, windows, zone, horizon, levelOf, level, back, isLive }) {
  const head = element("button", { type: "button", class: "back" }, "‹ All segments");
  head.addEventListener("click", back);
  const forecasts = row?.forecasts ?? [];
  const parts = [
    head,
    element("h2", {}, road.name ?? road.segment_id),
    element("p", { class: "id" }, `${road.segment_id} · ${road.length_m ? `${(road.length_m / 1000).toFixed(1)} km` : "length unknown"}`),
  ];
  if (!row) {
    parts.push(element("p", { class: "soft" }, "No reading in the last hour, so no forecast."));
  } else {
    parts.push(chip(row, level), ...speed(row, road, zone, isLive));
    parts.push(...table(forecasts, { zone, horizon, levelOf, row }));
  }
  if (windows?.length) {
    parts.push(element("h3", {}, "Speed, km/h: mean, middle 70 % of readings, forecast"));
    parts.push(speedChart({ windows, forecasts, freeFlow: road.free_flow_speed_kmh, zone, levelOf }));
  }
  document.getElementById("detail-view").replaceChildren(...parts);
}

function chip(row, level) {
  return element("p", { class: "chip" }, element("i", { class: level }),
    row.congestion_level ? `${row.congestion_level} now` : "not observed now");
}

function speed(row, road, zone, isLive) {
  const band = row.speed_kmh_p15 === null ? "no reading in this window" : `from ${kmh(row.speed_kmh_p15)} to ${kmh(row.speed_kmh_p85)}`;
  return [
    element("p", { class: "now" }, element("b", {}, row.speed_kmh_mean === null ? "–" : String(Math.round(row.speed_kmh_mean))),
      element("span", { class: "soft" }, `km/h, ${band}`)),
    element("p", { class: "soft" }, `Free flow ${kmh(road.free_flow_speed_kmh)} · travel time ×${ratio(row.travel_time_index)}`),
    element("p", { class: "soft" }, `Window ${isLive ? clock(row.window_start, zone) : dayAndClock(row.window_start, zone)}, ${row.is_final ? "final" : "still open"}${row.revision ? `, corrected ${row.revision} times` : ""}`),
  ];
}

function table(forecasts, { zone, horizon, levelOf, row }) {
  if (!forecasts.length) return [element("h3", {}, "Forecast"), element("p", { class: "soft" }, "No model has scored this window.")];
  const lines = forecasts.map((one) => {
    const bar = element("i", { class: levelOf(one.congestion_probability) });
    bar.style.setProperty("--share", `${one.congestion_probability * 100}%`);
    const line = element("tr", {},
      element("th", { scope: "row" }, `${one.horizon_minutes} min`),
      element("td", {}, element("span", { class: "meter", "aria-hidden": "true" }, bar), percent(one.congestion_probability)),
      element("td", {}, kmh(one.speed_kmh_predicted)),
    );
    if (one.horizon_minutes === horizon) line.setAttribute("aria-current", "true");
    return line;
  });
  return [
    element("h3", {}, `Forecast of model ${row.model_version}, from ${clock(row.window_start, zone)}`),
    element("table", { class: "forecast" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "In"), element("th", { scope: "col" }, "Probability of congestion"), element("th", { scope: "col" }, "Speed"))),
      element("tbody", {}, ...lines)),
  ];
}

/** The header's figures. */
export function showKpis({ kpi, likely, known, horizonText }) {
  const put = (id, value, small = "") => {
    document.getElementById(id).replaceChildren(value, ...(small ? [" ", element("small", {}, small)] : []));
  };
  put("kpi-congested", percent(kpi?.congested_ratio), kpi ? `of ${kpi.segment_count}` : "");
  document.getElementById("kpi-likely-name").textContent = `Likely congested ${horizonText}`;
  put("kpi-likely", known ? String(likely) : "–", known ? `of ${known}` : "");
  put("kpi-tti", kpi?.travel_time_index_mean ? `×${ratio(kpi.travel_time_index_mean)}` : "–", "free flow");
  put("kpi-delay", duration(kpi?.delay_s_total));
}
