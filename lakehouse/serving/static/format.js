/** Numbers, times and levels as text for people. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const number = (value) => (value === null || value === undefined ? "–" : whole.format(value));
export const ratio = (value) => (value === null || value === undefined ? "–" : fine.format(value));
export const kmh = (value) => (value === null || value === undefined ? "–" : `${whole.format(value)} km/h`);

/** A probability or share, never rounded to a certainty it is not. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  if (share > 0 && share < 0.01) return "<1 %";
  if (share < 1 && share > 0.99) return ">99 %";
  return `${whole.format(share * 100)} %`;
}

/** Seconds as the two largest units that say something. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

const formats = new Map();

/** A moment in the city's own time. */
export function clock(moment, zone, options = { hour: "2-digit", minute: "2-digit" }) {
  const id = `${zone} ${JSON.stringify(options)}`;
  if (!formats.has(id)) {
    formats.set(id, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone ?? "UTC" }));
  }
  return formats.get(id).format(new Date(moment));
}

export const dayAndClock = (moment, zone) =>
  clock(moment, zone, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** Class of a probability: how many of the bounds it has reached. */
export function levelOf(probability, bounds) {
  if (probability === null || probability === undefined) return "level-unknown";
  return `level-${bounds.filter((bound) => probability >= bound).length}`;
}

/** Class of a congestion level that was observed; `names` run from the lightest to the worst. */
export function observedLevel(name, names) {
  const place = names.indexOf(name);
  return place < 0 ? "level-unknown" : `level-${Math.round((place / (names.length - 1)) * 4)}`;
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function shape(tag, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}
