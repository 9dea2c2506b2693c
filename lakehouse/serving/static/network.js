/** The map: every segment as a line; panned, zoomed and chosen with pointer or keyboard. */

import { shape } from "./format.js";
import { View, niceStep } from "./projection.js";

const PAN_STEP = 60;
const ZOOM_STEP = 1.35;
const CLICK_PIXELS = 5;
const WIDTHS = { "level-unknown": 2.2, "level-0": 3, "level-1": 3.4, "level-2": 4.2, "level-3": 5.2, "level-4": 6.2 };
const ORDER = Object.keys(WIDTHS);

export class Network {
  /**
   * @param {SVGSVGElement} svg
   * @param {{choose: (id: string|null) => void, hover: (id: string|null, x: number, y: number) => void,
   *          scaled: (text: string, pixels: number) => void}} told
   */
  constructor(svg, told) {
    this.svg = svg;
    this.told = told;
    this.view = new View();
    this.lines = new Map();
    this.groups = new Map();
    this.levels = new Map();
    this.back = svg.appendChild(shape("g"));
    this.roads = svg.appendChild(shape("g"));
    this.pointers = new Map();
    this.queued = false;
    new ResizeObserver(() => this.resize()).observe(svg);
    this.listen();
  }

  /** Draw these segments; those without a shape are only in the list. */
  setSegments(segments) {
    this.lines = new Map(segments.filter((one) => one.polyline?.length).map((one) => [one.segment_id, one.polyline]));
    this.roads.replaceChildren();
    this.groups.clear();
    for (const id of this.lines.keys()) {
      const group = shape("g", { class: "segment", "data-segment": id });
      for (const part of ["casing", "road level-unknown", "hit"]) group.append(shape("path", { class: part }));
      this.groups.set(id, group);
    }
    this.roads.append(...this.groups.values());
    this.view.setLines([...this.lines.values()]);
    this.view.fit();
    this.redraw();
  }

  /** Colour the segments; the worst lie on top, above them the chosen one. */
  setLevels(levels) {
    this.levels = levels;
    const rank = (id) => (id === this.selected ? ORDER.length : ORDER.indexOf(this.levelOf(id)));
    const bySeverity = [...this.groups].sort(([a], [b]) => rank(a) - rank(b));
    for (const [id, group] of bySeverity) {
      group.children[1].setAttribute("class", `road ${this.levelOf(id)}`);
      this.setWidth(id, group);
    }
    const order = bySeverity.map(([, group]) => group);
    if (order.some((group, index) => this.roads.children[index] !== group)) this.roads.append(...order);
  }

  levelOf(id) {
    return this.levels.get(id) ?? "level-unknown";
  }

  select(id) {
    this.roads.querySelector(".selected")?.classList.remove("selected");
    this.selected = id;
    this.groups.get(id)?.classList.add("selected");
  }

  /** Bring a segment into sight if it is not. */
  show(id) {
    const line = this.lines.get(id);
    if (!line || !this.view.bounds) return;
    const place = this.view.place(line[Math.floor(line.length / 2)]);
    const { width, height } = this.view.size;
    const at = { x: place.x + this.view.offset.x, y: place.y + this.view.offset.y };
    const isIn = at.x > 30 && at.y > 30 && at.x < width - 30 && at.y < height - 30;
    if (!isIn) this.view.pan(width / 2 - at.x, height / 2 - at.y);
    this.redraw();
  }

  fit() {
    this.view.fit();
    this.redraw();
  }

  zoom(factor, x, y) {
    this.view.zoomBy(factor, x, y);
    this.redraw();
  }

  resize() {
    const { width, height } = this.svg.getBoundingClientRect();
    this.view.size = { width, height };
    this.redraw();
  }

  redraw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      if (this.view.bounds) this.draw();
    });
  }

  draw() {
    const { view } = this;
    const thickness = Math.min(Math.max(view.zoom ** 0.35, 0.8), 2.4);
    if (this.drawn !== view.scale + view.size.width * 1e-6 + view.size.height * 1e-9) {
      this.drawn = view.scale + view.size.width * 1e-6 + view.size.height * 1e-9;
      this.thickness = thickness;
      for (const [id, group] of this.groups) {
        const path = view.path(this.lines.get(id), 2.6 * thickness);
        for (const part of group.children) part.setAttribute("d", path);
        this.setWidth(id, group);
      }
    }
    this.roads.setAttribute("transform", `translate(${view.offset.x} ${view.offset.y})`);
    this.drawGrid();
    this.drawScale();
  }

  setWidth(id, group) {
    const width = WIDTHS[this.levelOf(id)] * (this.thickness ?? 1);
    const [casing, road, hit] = group.children;
    casing.setAttribute("stroke-width", (width + (id === this.selected ? 7 : 2.6)).toFixed(1));
    road.setAttribute("stroke-width", width.toFixed(1));
    hit.setAttribute("stroke-width", Math.max(width + 6, 14).toFixed(1));
  }

  drawGrid() {
    const { lats, lons, reach } = this.view.grid();
    const { x, y } = this.view.offset;
    const lines = [
      ...lats.map((lat) => [this.view.place({ lat, lon: reach.west }), this.view.place({ lat, lon: reach.east })]),
      ...lons.map((lon) => [this.view.place({ lat: reach.south, lon }), this.view.place({ lat: reach.north, lon })]),
    ];
    const path = lines.map(([a, b]) => `M${(a.x + x).toFixed(1)} ${(a.y + y).toFixed(1)}L${(b.x + x).toFixed(1)} ${(b.y + y).toFixed(1)}`).join("");
    this.back.replaceChildren(shape("path", { class: "graticule", d: path || "M0 0" }));
  }

  drawScale() {
    const metres = niceStep(this.view.metresAPixel * 55);
    const text = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
    this.told.scaled(text, metres / this.view.metresAPixel);
  }

  listen() {
    const { svg } = this;
    const here = (event) => {
      const box = svg.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const idOf = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest?.("[data-segment]")?.dataset.segment ?? null;
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = here(event);
      this.zoom(Math.exp(-event.deltaY * 0.0016), x, y);
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, { ...here(event), travelled: 0 });
      this.told.hover(null, 0, 0);
    });
    svg.addEventListener("pointermove", (event) => this.move(event.pointerId, here(event), () => idOf(event)));
    const release = (event) => {
      const pointer = this.pointers.get(event.pointerId);
      this.pointers.delete(event.pointerId);
      svg.classList.remove("dragging");
      if (pointer && pointer.travelled < CLICK_PIXELS && event.type === "pointerup") this.told.choose(idOf(event));
    };
    svg.addEventListener("pointerup", release);
    svg.addEventListener("pointercancel", release);
    svg.addEventListener("pointerleave", () => this.told.hover(null, 0, 0));
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  move(id, at, segment) {
    const pointer = this.pointers.get(id);
    if (!pointer) {
      this.told.hover(segment(), at.x, at.y);
      return;
    }
    const others = [...this.pointers].filter(([other]) => other !== id).map(([, one]) => one);
    const by = { x: at.x - pointer.x, y: at.y - pointer.y };
    if (others.length) {
      const [fixed] = others;
      const before = Math.hypot(pointer.x - fixed.x, pointer.y - fixed.y);
      const after = Math.hypot(at.x - fixed.x, at.y - fixed.y);
      if (before > 8) this.view.zoomBy(after / before, fixed.x, fixed.y);
    } else {
      this.view.pan(by.x, by.y);
    }
    const travelled = pointer.travelled + Math.abs(by.x) + Math.abs(by.y);
    this.pointers.set(id, { ...at, travelled });
    if (travelled >= CLICK_PIXELS) this.svg.classList.add("dragging");
    this.redraw();
  }

  key(event) {
    const moves = { ArrowLeft: [PAN_STEP, 0], ArrowRight: [-PAN_STEP, 0], ArrowUp: [0, PAN_STEP], ArrowDown: [0, -PAN_STEP] };
    if (moves[event.key]) this.view.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.view.zoomBy(ZOOM_STEP);
    else if (event.key === "-") this.view.zoomBy(1 / ZOOM_STEP);
    else if (event.key === "0") this.view.fit();
    else return;
    event.preventDefault();
    this.redraw();
  }
}
