// A live chart as SVG paths: the present at the right edge, at the left what was two minutes ago, less on a new page.

const WIDTH = 240;
const HEIGHT = 44;
const LEAST = 30; // seconds that the width stands for
export const SPAN = 120; // at most

/** One figure of the page. `keys` name the values of a point that are drawn, the highest first. */
export class Chart {
  constructor(figure, keys, title, format) {
    this.svg = figure.querySelector("svg");
    this.area = figure.querySelector(".area");
    this.lines = [...figure.querySelectorAll(".line")];
    this.peak = figure.querySelector("small");
    this.keys = keys;
    this.title = title;
    this.format = format;
  }

  /** Draw points `{at, …}`, the latest last. `floor` is the least that the full height stands for. */
  draw(points, floor) {
    const now = points.at(-1).at;
    const highest = Math.max(0, ...points.map((point) => finite(point[this.keys[0]])));
    const span = Math.min(SPAN, Math.max(LEAST, now - points[0].at));
    const scale = (HEIGHT - 3) / Math.max(highest * 1.08, floor);
    this.keys.forEach((key, index) => {
      const runs = toRuns(points, key, (point) => WIDTH * (1 - (now - point.at) / span), scale);
      this.lines[index].setAttribute("d", runs.map(toLine).join(""));
      if (index === 0) this.area.setAttribute("d", runs.map(toArea).join(""));
    });
    const peak = "peak " + this.format(highest);
    if (this.peak.textContent === peak) return;
    this.peak.textContent = peak;
    this.svg.setAttribute("aria-label", this.title + " over the last two minutes, " + peak);
  }
}

const finite = (value) => (value === null || value === Infinity ? 0 : value);

/** Coordinates in runs: where nothing is known the line is broken. */
function toRuns(points, key, across, scale) {
  const runs = [[]];
  for (const point of points) {
    if (point[key] === null) {
      if (runs.at(-1).length) runs.push([]);
      continue;
    }
    const y = point[key] === Infinity ? 0 : HEIGHT - 1 - point[key] * scale;
    runs.at(-1).push([across(point).toFixed(1), Math.max(0, y).toFixed(1)]);
  }
  return runs.filter((run) => run.length);
}

const toLine = (run) => "M" + run.map((point) => point.join(" ")).join("L") + (run.length === 1 ? "h.1" : "");
const toArea = (run) => "M" + run[0][0] + " " + HEIGHT + "L" + run.map((point) => point.join(" ")).join("L") + "V" + HEIGHT + "Z";
