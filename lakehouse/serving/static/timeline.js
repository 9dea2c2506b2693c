/** The slider over the last day, its marks, and playing it. */

import { spark } from "./chart.js";
import { clock, dayAndClock, element } from "./format.js";

const PLAY_MS = 450;
const TICK_HOURS = 4;

export class Timeline {
  /** @param {(moment: string|null) => Promise<void>} go shows a moment; null is the newest, live */
  constructor(go) {
    this.go = go;
    this.windows = [];
    this.zone = "UTC";
    this.slider = document.getElementById("time");
    this.play = document.getElementById("play");
    this.live = document.getElementById("live");
    this.timer = null;
    this.slider.addEventListener("input", () => this.choose(Number(this.slider.value)));
    this.live.addEventListener("click", () => this.choose(this.windows.length - 1));
    this.play.addEventListener("click", () => this.toggle());
  }

  /** Network KPIs of one city, oldest first. */
  setWindows(windows, zone) {
    const wasAt = this.isLive ? null : this.windows[Number(this.slider.value)]?.window_start;
    this.windows = windows;
    this.zone = zone;
    this.slider.max = String(Math.max(windows.length - 1, 0));
    const kept = windows.findIndex((one) => one.window_start === wasAt);
    this.slider.value = String(kept < 0 ? windows.length - 1 : kept);
    this.describe();
    spark(document.getElementById("spark"), windows.map((one) => one.congested_ratio));
    this.mark();
  }

  get isLive() {
    return this.live.getAttribute("aria-pressed") === "true";
  }

  get chosen() {
    return this.windows[Number(this.slider.value)] ?? null;
  }

  async choose(index) {
    const isLast = index >= this.windows.length - 1;
    this.slider.value = String(index);
    this.live.setAttribute("aria-pressed", String(isLast));
    if (isLast) this.stop();
    this.describe();
    await this.go(isLast ? null : this.windows[index].window_start);
  }

  /** Back to the newest moment, whose windows come with the next refresh: of another city. */
  goLive() {
    this.stop();
    this.live.setAttribute("aria-pressed", "true");
  }

  describe() {
    const text = this.chosen ? dayAndClock(this.chosen.window_start, this.zone) : "no data yet";
    this.slider.setAttribute("aria-valuetext", this.isLive ? `live, ${text}` : text);
  }

  toggle() {
    if (this.timer !== null) return this.stop();
    this.play.setAttribute("aria-pressed", "true");
    let index = this.isLive ? 0 : Number(this.slider.value);
    const step = async () => {
      await this.choose(index);
      index += 1;
      if (this.timer !== null) this.timer = setTimeout(step, PLAY_MS);
    };
    this.timer = setTimeout(step, 0);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.play.setAttribute("aria-pressed", "false");
  }

  mark() {
    const marks = this.windows.flatMap((one, index) => {
      const [hour, minute] = clock(one.window_start, this.zone).split(":").map(Number);
      if (minute !== 0 || hour % TICK_HOURS !== 0) return [];
      const mark = element("span", {}, clock(one.window_start, this.zone));
      mark.style.left = `${(index / Math.max(this.windows.length - 1, 1)) * 100}%`;
      return [mark];
    });
    document.getElementById("ticks").replaceChildren(...marks);
  }
}
