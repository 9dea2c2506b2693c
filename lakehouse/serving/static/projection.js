/** From degrees to pixels: an equirectangular view, true to scale at the middle of what is shown. */

const METRES_A_DEGREE = 111_195;
const PADDING = 56;
const LEGEND = 44;
const SCALES = { least: 0.2, most: 60 };

export class View {
  constructor() {
    this.bounds = null;
    this.zoom = 1;
    this.offset = { x: 0, y: 0 };
    this.size = { width: 1, height: 1 };
  }

  /** @param {{lat: number, lon: number}[][]} lines */
  setLines(lines) {
    const points = lines.flat();
    if (!points.length) return;
    const lats = points.map((point) => point.lat);
    const lons = points.map((point) => point.lon);
    this.bounds = {
      west: lons.reduce((a, b) => Math.min(a, b)), east: lons.reduce((a, b) => Math.max(a, b)),
      south: lats.reduce((a, b) => Math.min(a, b)), north: lats.reduce((a, b) => Math.max(a, b)),
    };
    const { south, north } = this.bounds;
    this.narrowing = Math.cos((((south + north) / 2) * Math.PI) / 180);
  }

  /** Pixels a degree of latitude at the zoom in hand. */
  get scale() {
    const { west, east, south, north } = this.bounds;
    const width = Math.max((east - west) * this.narrowing, 1e-4);
    const height = Math.max(north - south, 1e-4);
    const fit = Math.min(
      (this.size.width - 2 * PADDING) / width, (this.size.height - 2 * PADDING - LEGEND) / height,
    );
    return Math.max(fit, 1) * this.zoom;
  }

  get metresAPixel() {
    return METRES_A_DEGREE / this.scale;
  }

  fit() {
    this.zoom = 1;
    this.offset = { x: 0, y: 0 };
  }

  pan(dx, dy) {
    this.offset.x += dx;
    this.offset.y += dy;
  }

  /** Zoom by a factor; the point under (x, y) stays where it is. */
  zoomBy(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const zoom = Math.min(Math.max(this.zoom * factor, SCALES.least), SCALES.most);
    const by = zoom / this.zoom;
    const centre = { x: this.size.width / 2, y: (this.size.height - LEGEND) / 2 };
    this.offset.x = x - centre.x - (x - centre.x - this.offset.x) * by;
    this.offset.y = y - centre.y - (y - centre.y - this.offset.y) * by;
    this.zoom = zoom;
  }

  /** Pixel of a point, without the panning. */
  place({ lat, lon }) {
    const { west, east, south, north } = this.bounds;
    return {
      x: this.size.width / 2 + (lon - (west + east) / 2) * this.narrowing * this.scale,
      y: (this.size.height - LEGEND) / 2 - (lat - (south + north) / 2) * this.scale,
    };
  }

  /** Path of a line, moved `aside` pixels to the right of its direction so that both ways show. */
  path(line, aside) {
    const points = line.map((point) => this.place(point));
    const steps = points.slice(1).map((point, index) => unit(points[index], point));
    const moved = points.map((point, index) => {
      const before = steps[Math.max(index - 1, 0)] ?? { x: 0, y: 0 };
      const after = steps[Math.min(index, steps.length - 1)] ?? before;
      const along = unit({ x: 0, y: 0 }, { x: before.x + after.x, y: before.y + after.y });
      return `${(point.x - along.y * aside).toFixed(1)} ${(point.y + along.x * aside).toFixed(1)}`;
    });
    if (moved.length === 1) moved.push(moved[0]);
    return `M${moved.join("L")}`;
  }

  /** Degrees of the lines that a quiet grid is drawn with: latitudes and longitudes in sight. */
  grid() {
    const step = niceStep(150 / this.scale);
    const half = { x: this.size.width / 2, y: (this.size.height - LEGEND) / 2 };
    const { west, east, south, north } = this.bounds;
    const middle = { lat: (south + north) / 2, lon: (west + east) / 2 };
    const reach = {
      north: middle.lat + (half.y + this.offset.y) / this.scale,
      south: middle.lat - (half.y + LEGEND - this.offset.y) / this.scale,
      west: middle.lon - (half.x + this.offset.x) / this.scale / this.narrowing,
      east: middle.lon + (half.x - this.offset.x) / this.scale / this.narrowing,
    };
    return { lats: multiples(reach.south, reach.north, step), lons: multiples(reach.west, reach.east, step), reach };
  }
}

function unit(from, to) {
  const x = to.x - from.x;
  const y = to.y - from.y;
  const length = Math.hypot(x, y) || 1;
  return { x: x / length, y: y / length };
}

/** The next of 1, 2, 5, 10, ... at or above a number. */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least * 0.999);
}

function multiples(from, to, step) {
  const first = Math.ceil(from / step);
  const count = Math.min(Math.max(Math.floor(to / step) - first + 1, 0), 60);
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}
