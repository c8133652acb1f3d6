// Draws what data-chart holds with uPlot: {times: [s], unit, most, lines: [{name, values}]}.
"use strict";

const SHAPES = [{ dash: [6, 4], width: 2 }, { width: 1 }, { width: 2 }];
const COLOURS = ["--bad", "--near", "--pass"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function series(line, index) {
  const shape = SHAPES[index % SHAPES.length];
  return { label: line.name, stroke: colour(COLOURS[index % COLOURS.length]), spanGaps: false, ...shape };
}

function axis(unit) {
  return {
    stroke: colour("--pico-color"),
    grid: { stroke: colour("--pico-muted-border-color"), width: 1 },
    ...(unit === undefined ? {} : { values: (_, ticks) => ticks.map((tick) => `${tick}${unit}`) }),
  };
}

function draw(element) {
  const chart = JSON.parse(element.dataset.chart);
  element.replaceChildren();
  const range = chart.most ? [0, chart.most] : (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1];
  new uPlot({
    width: element.clientWidth,
    height: 220,
    legend: { show: false },
    cursor: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { y: { range } },
    series: [{}, ...chart.lines.map(series)],
    axes: [axis(), axis(chart.unit)],
  }, [chart.times, ...chart.lines.map((line) => line.values)], element);
  element.dataset.drawn = chart.times.length;
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

let waiting;
window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 200); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
