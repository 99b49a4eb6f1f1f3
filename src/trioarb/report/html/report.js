// Draws the charts of a report from the data in the page, in the colours of the scheme that the reader prefers.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart[data-chart]")];
  const drawn = new Map();

  // Of the time since something began, in seconds.
  const STEPS = [1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Lines have times of their own; uPlot wants one list of times for all of them.
  function aligned(lines) {
    return lines.length === 1 ? [lines[0].x, lines[0].y] : uPlot.join(lines.map((line) => [line.x, line.y]));
  }

  function seconds(value) {
    const hours = Math.floor(value / 3600), minutes = Math.floor(value / 60) % 60;
    return hours ? `${hours}:${String(minutes).padStart(2, "0")} h` : `${Math.round(value) < 60 ? value + " s" : minutes + " min"}`;
  }

  // Times of day in UTC; a tick that begins a day, and the first one, have the date below.
  function clock(_, ticks) {
    let before = "";
    return ticks.map((tick) => {
      const [day, time] = new Date(tick * 1e3).toISOString().split("T");
      const shown = day === before ? time.slice(0, 5) : `${time.slice(0, 5)}\n${day}`;
      before = day;
      return shown;
    });
  }

  function draw(place) {
    const chart = charts[place.dataset.chart];
    drawn.get(place)?.destroy();
    const series = chart.lines.map((line, index) => ({
      label: line.label,
      stroke: color(`--c${index % 8}`),
      width: 1.5,
      dash: line.side ? [6, 4] : undefined,
      fill: chart.bars && chart.lines.length === 1 ? color("--c0") + "44" : undefined,
      paths: chart.bars ? uPlot.paths.bars({ size: [0.8, 40] }) : undefined,
      spanGaps: true,
      points: { show: line.x.length < 30 && !chart.bars },
      value: (_, value) => (value == null ? "" : `${value.toLocaleString("en")} ${chart.unit}`),
    }));
    const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
    const time = chart.elapsed
      ? { label: "since each began", value: (_, value) => (value == null ? "" : seconds(value)) }
      : { label: "UTC", value: (_, value) => (value == null ? "" : new Date(value * 1e3).toISOString().slice(0, 19)) };
    const options = {
      width: Math.max(place.clientWidth, 200),
      height: innerWidth < 640 ? 190 : 260,
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "UTC"),
      scales: { x: { time: !chart.elapsed } },
      series: [time, ...series],
      axes: [
        chart.elapsed ? { ...axis, values: (_, ticks) => ticks.map(seconds), incrs: STEPS } : { ...axis, values: clock, space: 90 },
        { ...axis, size: 70, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")), label: chart.unit, labelSize: 18 },
      ],
    };
    drawn.set(place, new uPlot(options, aligned(chart.lines), place));
  }

  const all = () => places.forEach(draw);
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(all, 150);
  });
})();
