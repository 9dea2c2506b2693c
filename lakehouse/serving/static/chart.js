/** Small charts: a segment's speed with its band and forecast, and the network's last day. */

import { clock, kmh, shape } from "./format.js";

const WIDTH = 336;
const HEIGHT = 190;
const EDGE = { left: 30, right: 8, top: 10, bottom: 20 };

/** Speeds of the windows, the band from p15 to p85, free flow, and the forecasts as points. */
export function speedChart({ windows, forecasts, freeFlow, zone, levelOf }) {
  const svg = shape("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const times = [...windows.map((one) => Date.parse(one.window_start)), ...forecasts.map((one) => Date.parse(one.target_start))];
  if (!times.length) return svg;
  const from = Math.min(...times);
  const until = Math.max(...times, from + 1);
  const top = 1.12 * Math.max(freeFlow, ...windows.map((one) => one.speed_kmh_p85 ?? 0), ...forecasts.map((one) => one.speed_kmh_predicted));
  const x = (moment) => EDGE.left + ((Date.parse(moment) - from) / (until - from)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (speed) => HEIGHT - EDGE.bottom - (speed / top) * (HEIGHT - EDGE.top - EDGE.bottom);

  for (const speed of speedTicks(top)) {
    svg.append(shape("line", { class: "rule", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(speed), y2: y(speed) }));
    svg.append(shape("text", { x: EDGE.left - 6, y: y(speed) + 4, "text-anchor": "end" }, String(speed)));
  }
  svg.append(shape("line", { class: "free", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(freeFlow), y2: y(freeFlow) }));
  svg.append(shape("text", { x: WIDTH - EDGE.right, y: y(freeFlow) - 4, "text-anchor": "end" }, "free flow"));
  for (const run of runs(windows)) {
    const high = run.map((one) => `${x(one.window_start).toFixed(1)} ${y(one.speed_kmh_p85).toFixed(1)}`);
    const low = run.map((one) => `${x(one.window_start).toFixed(1)} ${y(one.speed_kmh_p15).toFixed(1)}`).reverse();
    svg.append(shape("path", { class: "band", d: `M${[...high, ...low].join("L")}Z` }));
    svg.append(shape("path", { class: "speed", d: `M${run.map((one) => `${x(one.window_start).toFixed(1)} ${y(one.speed_kmh_mean).toFixed(1)}`).join("L")}` }));
  }
  const last = windows.findLast((one) => one.speed_kmh_mean !== null);
  if (last) {
    const now = x(windows.at(-1).window_start);
    svg.append(shape("line", { class: "nowline", x1: now, x2: now, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    const ahead = [`${x(last.window_start).toFixed(1)} ${y(last.speed_kmh_mean).toFixed(1)}`, ...forecasts.map((one) => `${x(one.target_start).toFixed(1)} ${y(one.speed_kmh_predicted).toFixed(1)}`)];
    svg.append(shape("path", { class: "ahead", d: `M${ahead.join("L")}` }));
  }
  for (const one of forecasts) {
    svg.append(shape("circle", { class: `point ${levelOf(one.congestion_probability)}`, cx: x(one.target_start), cy: y(one.speed_kmh_predicted), r: 5 }));
  }
  for (const share of [0, 0.5, 1]) {
    const moment = new Date(from + share * (until - from)).toISOString();
    const anchor = ["start", "middle", "end"][share * 2];
    svg.append(shape("text", { x: x(moment), y: HEIGHT - 5, "text-anchor": anchor }, clock(moment, zone)));
  }
  svg.setAttribute("aria-label", `Speed of the last hours, now ${kmh(last?.speed_kmh_mean)}, with its forecast`);
  return svg;
}

/** Stretches of windows that were observed one after the other. */
function runs(windows) {
  const found = [[]];
  for (const one of windows) {
    if (one.speed_kmh_mean === null) found.push([]);
    else found.at(-1).push(one);
  }
  return found.filter((run) => run.length > 0);
}

function speedTicks(top) {
  const step = top > 90 ? 40 : 20;
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step);
}

/** Share of congested segments over the windows, as an area; `shares` may hold null. */
export function spark(svg, shares) {
  svg.setAttribute("viewBox", "0 0 1000 100");
  const highest = Math.max(0.2, ...shares.filter((share) => share !== null));
  const points = shares.map((share, index) => `${((index / Math.max(shares.length - 1, 1)) * 1000).toFixed(1)} ${(100 - ((share ?? 0) / highest) * 92).toFixed(1)}`);
  if (!points.length) return svg.replaceChildren();
  svg.replaceChildren(
    shape("path", { class: "area", d: `M0 100L${points.join("L")}L1000 100Z` }),
    shape("path", { class: "edge", d: `M${points.join("L")}` }),
  );
}
