/** The live map: what is shown, and how it follows the lake. */

import { Api } from "./api.js";
import { clock, dayAndClock, duration, element, kmh, levelOf, observedLevel, percent } from "./format.js";
import { Network } from "./network.js";
import { showDetail, showKpis, showList, walkList } from "./panel.js";
import { Timeline } from "./timeline.js";

const NOW = "now";
const HISTORY_HOURS = 4;
const KEPT_MOMENTS = 400;
const OLD_SECONDS = 60;
const at = (id) => document.getElementById(id);

const shown = {
  status: null, receivedAt: 0, isLost: false, source: null, roads: new Map(), rows: new Map(), kpis: [],
  moment: null, horizon: null, chosen: null, windows: null, version: "", notice: "",
};
const moments = new Map();
const api = new Api(askKey);
const network = new Network(at("map"), {
  choose: (id) => choose(id),
  hover,
  scaled: (text, pixels) => {
    at("scale-text").textContent = text;
    at("scale-bar").style.width = `${pixels}px`;
  },
});
const timeline = new Timeline(goTo);

function askKey() {
  const dialog = at("key-dialog");
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(at("key").value), { once: true });
  });
}

/* What the server tells */

let refreshing = null;
let isDue = false;

/** Refresh now, or once more after the refresh under way. */
function refreshSoon() {
  if (refreshing) {
    isDue = true;
    return;
  }
  refreshing = refresh()
    .then(() => say(""), (error) => say(error.message))
    .finally(() => {
      refreshing = null;
      if (isDue) {
        isDue = false;
        refreshSoon();
      }
    });
}

function take(status) {
  shown.status = status;
  shown.receivedAt = performance.now();
  shown.isLost = false;
  setHorizons(status);
  setSources(status);
  refreshSoon();
  showFreshness();
}

function lost(error) {
  shown.isLost = true;
  if (error?.status === 503) say(error.message);
  if (error instanceof TypeError) say("The API does not answer; start it with `traffic serve`.");
  showFreshness();
}

const ofSource = (path) => `${path}${path.includes("?") ? "&" : "?"}source=${encodeURIComponent(shown.source)}`;

async function refresh() {
  const tables = shown.status.as_of.tables;
  const version = `${tables["silver.road_segment"]} ${shown.source}`;
  if (shown.version !== version) {
    const { items } = await api.list(ofSource("/segments?limit=5000"));
    shown.roads = new Map(items.map((road) => [road.segment_id, road]));
    network.setSegments(items);
    shown.version = version;
  }
  const kpis = await api.list(ofSource("/network-kpis?limit=5000"));
  shown.kpis = kpis.items;
  timeline.setWindows(shown.kpis, zone());
  moments.clear();
  if (shown.moment === null) await load(null);
  await loadWindows();
  show();
}

async function load(moment) {
  const rows = moments.get(moment) ?? new Map(
    (await api.list(ofSource(`/congestion?limit=5000${moment ? `&at=${encodeURIComponent(moment)}` : ""}`))).items.map((row) => [row.segment_id, row]),
  );
  if (moment !== null) {
    moments.set(moment, rows);
    if (moments.size > KEPT_MOMENTS) moments.delete(moments.keys().next().value);
  }
  if (shown.moment === moment) shown.rows = rows;
}

async function loadWindows() {
  const id = shown.chosen;
  if (!id) return;
  const end = Date.parse(shown.moment ?? newest()) + 1;
  const from = new Date(end - HISTORY_HOURS * 3_600_000).toISOString();
  const to = new Date(end).toISOString();
  const path = `/segments/${encodeURIComponent(id)}/metrics?limit=500&from=${from}&to=${to}`;
  const { items } = await api.list(path);
  if (shown.chosen === id) shown.windows = items;
}

/* What the person does */

async function goTo(moment) {
  shown.moment = moment;
  try {
    await load(moment);
    await loadWindows();
    show();
  } catch (error) {
    say(error.message);
  }
}

async function choose(id, { focus = false } = {}) {
  const before = shown.chosen;
  shown.chosen = id;
  shown.windows = null;
  network.select(id);
  show();
  at("list-view").hidden = id !== null;
  at("detail-view").hidden = id === null;
  if (id) {
    network.show(id);
    if (focus) at("detail-view").focus();
    try {
      await loadWindows();
      show();
    } catch (error) {
      say(error.message);
    }
  } else if (before) {
    document.querySelector(`[data-choose="${CSS.escape(before)}"]`)?.focus();
  }
}

function hover(id, x, y) {
  const tip = at("tip");
  tip.hidden = !id;
  at("map").style.cursor = id ? "pointer" : "";
  if (!id) return;
  const row = shown.rows.get(id);
  tip.replaceChildren(element("b", {}, shown.roads.get(id)?.name ?? id), row ? `${headline(row)} · ${kmh(row.speed_kmh_mean)} now` : "no current data");
  const { width, height } = network.view.size;
  tip.style.left = `${Math.min(x + 14, width - 270)}px`;
  tip.style.top = `${Math.min(y + 14, height - 76)}px`;
}

/* What is shown */

const sourceTime = () => shown.status?.as_of.sources.find((one) => one.source === shown.source);
const zone = () => sourceTime()?.time_zone ?? "UTC";
const newest = () => sourceTime()?.window_start ?? null;
const forecast = (row) => row.forecasts.find((one) => one.horizon_minutes === shown.horizon);
const probabilityLevel = (probability) => levelOf(probability, shown.status.probability_levels);

function level(row) {
  if (shown.horizon === NOW) return observedLevel(row.congestion_level, shown.status.congestion_levels);
  return probabilityLevel(forecast(row)?.congestion_probability);
}

function headline(row) {
  if (shown.horizon === NOW) return row.congestion_level ?? "not observed";
  return percent(forecast(row)?.congestion_probability);
}

const trouble = (row) => (shown.horizon === NOW
  ? shown.status.congestion_levels.indexOf(row.congestion_level) + (row.travel_time_index ?? 0) / 1000
  : (forecast(row)?.congestion_probability ?? -1));

function listed() {
  return [...shown.rows.values()].sort((a, b) => trouble(b) - trouble(a)).map((row) => ({
    segment_id: row.segment_id,
    name: shown.roads.get(row.segment_id)?.name ?? row.segment_id,
    level: level(row),
    headline: headline(row),
    speeds: shown.horizon === NOW ? `free flow ${kmh(shown.roads.get(row.segment_id)?.free_flow_speed_kmh)}` : `now ${kmh(row.speed_kmh_mean)}`,
    aside: shown.horizon === NOW ? kmh(row.speed_kmh_mean) : `then ${kmh(forecast(row)?.speed_kmh_predicted)}`,
  }));
}

function show() {
  if (!shown.status) return;
  network.setLevels(new Map([...shown.rows.values()].map((row) => [row.segment_id, level(row)])));
  const isNow = shown.horizon === NOW;
  const horizonText = isNow ? "in 15 min" : `in ${shown.horizon} min`;
  showList(listed(), {
    filter: at("filter").value, choose: (id) => choose(id, { focus: true }),
    title: isNow ? "Worst now" : `Most likely congested ${horizonText}`,
  });
  const minutes = isNow ? shown.status.horizons_minutes[0] : shown.horizon;
  const scored = [...shown.rows.values()].map((row) => row.forecasts.find((one) => one.horizon_minutes === minutes)).filter(Boolean);
  showKpis({
    kpi: shown.moment === null ? shown.kpis.at(-1) : shown.kpis.find((one) => one.window_start === shown.moment),
    likely: scored.filter((one) => one.congestion_probability >= shown.status.likely_probability).length,
    known: scored.length,
    horizonText: `in ${minutes} min`,
  });
  if (shown.chosen && shown.roads.has(shown.chosen)) {
    const row = shown.rows.get(shown.chosen);
    showDetail({
      road: shown.roads.get(shown.chosen), row, windows: shown.windows, zone: zone(), horizon: shown.horizon,
      levelOf: probabilityLevel, level: row ? observedLevel(row.congestion_level, shown.status.congestion_levels) : "level-unknown",
      back: () => choose(null), isLive: shown.moment === null,
    });
  }
  showLegend();
  showFreshness();
  document.body.dataset.ready = "true";
  document.body.dataset.version = String(shown.status.as_of.tables["gold.congestion_scores"] ?? "");
}

function showLegend() {
  const { probability_levels: bounds, congestion_levels: names } = shown.status;
  const marks = shown.horizon === NOW
    ? names.map((name) => [name, observedLevel(name, names)])
    : [0, ...bounds].map((bound, index) => [index < bounds.length ? `<${Math.round(bounds[index] * 100)} %` : `≥${Math.round(bound * 100)} %`, `level-${index}`]);
  const items = marks.map(([text, name], index) => {
    const bar = element("i", { class: name });
    bar.style.setProperty("--width", `${4 + index * 1.4}px`);
    return element("li", {}, bar, text);
  });
  at("legend").replaceChildren(
    element("p", {}, shown.horizon === NOW ? "Congestion now" : `Probability of congestion in ${shown.horizon} min`),
    element("ul", {}, ...items),
  );
}

/** How old what is shown is: from the server's clock, and the time passed here since it told. */
function showFreshness() {
  const place = at("freshness");
  const tell = (state, text) => {
    place.dataset.state = state;
    at("freshness-text").textContent = text;
  };
  if (shown.isLost) return tell("lost", "Connection lost, trying again");
  if (!shown.status) return;
  const moment = shown.moment ?? newest();
  at("moment").textContent = moment ? dayAndClock(moment, zone()) : "no window yet";
  if (shown.moment !== null) return tell("history", `History, ${clock(shown.moment, zone())}`);
  const passed = (performance.now() - shown.receivedAt) / 1000;
  const age = shown.status.age_seconds;
  if (age === null) return tell("waiting", "No reading yet");
  if (age + passed > OLD_SECONDS) return tell("old", `Newest reading ${duration(age + passed)} ago`);
  return tell("live", `Live, ${duration(age + passed)} behind the road`);
}

function say(text) {
  at("notice").hidden = !text;
  at("notice").textContent = text;
}

function setHorizons(status) {
  const choices = [NOW, ...status.horizons_minutes];
  const place = at("horizons");
  if (place.querySelectorAll("input").length === choices.length) return;
  shown.horizon = status.horizons_minutes[0];
  for (const choice of choices) {
    const input = element("input", { type: "radio", name: "horizon", value: String(choice) });
    input.checked = choice === shown.horizon;
    input.addEventListener("change", () => {
      shown.horizon = choice;
      show();
    });
    place.append(element("label", {}, input, element("span", {}, choice === NOW ? "Now" : `${choice} min`)));
  }
}

function setSources(status) {
  const names = status.as_of.sources.map((one) => one.source);
  if (!names.includes(shown.source)) shown.source = names[0] ?? null;
  const select = at("source");
  at("source-field").hidden = names.length < 2;
  if ([...select.options].map((option) => option.value).join() === names.join()) return;
  select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  select.value = shown.source;
}

at("source").addEventListener("change", () => {
  shown.source = at("source").value;
  shown.moment = null;
  timeline.goLive();
  choose(null);
  refreshSoon();
});
at("filter").addEventListener("input", show);
at("segments").addEventListener("keydown", walkList);
at("zoom-in").addEventListener("click", () => network.zoom(1.5));
at("zoom-out").addEventListener("click", () => network.zoom(1 / 1.5));
at("zoom-fit").addEventListener("click", () => network.fit());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && shown.chosen && !at("key-dialog").open) choose(null);
});
setInterval(showFreshness, 1000);
api.follow(take, lost);
