// The charts: uPlot over the figures that stand in the page as JSON. Colours follow the scheme of the page.
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (value) => value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 });
  const axis = (extra) => ({ stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "12px system-ui, sans-serif", ...extra });
  const wide = (u, values) => Math.max(44, ...(values || []).map((text) => text.length * 7.2 + 14));
  const across = (at) => (u) => {
    const y = Math.round(u.valToPos(at, "y", true));
    if (at == null || y < u.bbox.top || y > u.bbox.top + u.bbox.height) return;
    dashed(u, u.bbox.left, y, u.bbox.left + u.bbox.width, y);
  };
  const down = (at) => (u) => {
    if (at == null) return;
    const x = Math.round(u.valToPos(at, "x", true));
    dashed(u, x, u.bbox.top, x, u.bbox.top + u.bbox.height);
  };
  const dashed = (u, x1, y1, x2, y2) => {
    const pen = u.ctx;
    pen.save(); pen.strokeStyle = css("--soft"); pen.lineWidth = devicePixelRatio; pen.setLineDash([5, 4]);
    pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(x2, y2); pen.stroke(); pen.restore();
  };
  const bars = (align) => uPlot.paths.bars({ size: [align ? 0.36 : 0.7, 60], align: align || 0 });
  // Bars stand on zero, so zero belongs on the axis.
  const withZero = (u, low, high) => { const a = Math.min(0, low ?? 0), b = Math.max(0, high ?? 0), pad = (b - a || 1) * 0.08; return [a < 0 ? a - pad : 0, b > 0 ? b + pad : 0]; };
  const counted = (data) => data.map((_, place) => place + 1);
  const column = (name, colour, align) => ({ label: name, stroke: colour, fill: colour, paths: bars(align), points: { show: false }, value: (u, v) => two(v) });
  const ordinal = (labels) => axis({ splits: (u) => labels.map((_, i) => i + 1), values: (u, at) => { const every = Math.ceil(labels.length / Math.max(1, Math.floor(u.width / 62))); return at.map((v) => (v - 1) % every ? "" : labels[v - 1] ?? ""); } });
  const edges = (n) => ({ time: false, range: [0.4, n + 0.6] });

  const kinds = {
    equity: (d) => ({
      data: [d.t, d.is, d.oos],
      options: {
        scales: { x: { time: true } },
        series: [{ label: "Day", value: (u, v) => v == null ? "–" : new Date(v * 1000).toISOString().slice(0, 10) },
          { label: "In sample", stroke: css("--is"), width: 1.6, value: (u, v) => two(v) },
          { label: "Out of sample", stroke: css("--oos"), width: 1.6, value: (u, v) => two(v) }],
        axes: [axis(), axis({ size: wide, values: (u, at) => at.map(two) })],
        hooks: { draw: [down(d.border)] },
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      },
    }),
    folds: (d) => ({
      data: [counted(d.is), d.is, d.oos],
      options: {
        scales: { x: edges(d.is.length), y: { range: withZero } },
        series: [{ label: "Fold" }, column("IS Sharpe", css("--is"), -1), column("OOS Sharpe", css("--oos"), 1)],
        axes: [ordinal(d.is.map((_, i) => "fold " + (i + 1))), axis({ size: wide })],
      },
    }),
    spread: (d) => ({
      data: [counted(d.sharpe), d.sharpe],
      options: {
        scales: { x: edges(d.sharpe.length), y: { range: withZero } },
        series: [{ label: "Rank" }, column("OOS Sharpe", css("--oos"))],
        axes: [ordinal(d.sharpe.map((_, i) => String(i + 1))), axis({ size: wide })],
        hooks: { draw: [across(d.median)] },
      },
    }),
    bars: (d) => ({
      data: [counted(d), d.map((bar) => bar.count)],
      options: {
        scales: { x: edges(d.length), y: { range: withZero } },
        series: [{ label: "Time", value: (u, v, s, i) => i == null ? "–" : d[i].label }, column("Results", css("--is"))],
        axes: [ordinal(d.map((bar) => bar.label)), axis({ size: wide, values: (u, at) => at.map((v) => v % 1 ? "" : v.toLocaleString("en")) })],
      },
    }),
    hours: (d) => ({
      data: [counted(d), d.map((h) => h.success), d.map((h) => h.failure)],
      options: {
        scales: { x: edges(d.length), y: { range: withZero } },
        series: [{ label: "Hour", value: (u, v, s, i) => i == null ? "–" : d[i].hour.slice(0, 16).replace("T", " ") },
          column("Results", css("--good"), -1), column("Failed", css("--bad"), 1)],
        axes: [ordinal(d.map((h) => h.hour.slice(11, 16))), axis({ size: wide, values: (u, at) => at.map((v) => v % 1 ? "" : v.toLocaleString("en")) })],
      },
    }),
  };

  const drawn = new Map();
  const draw = (figure) => {
    const place = figure.querySelector(".plot");
    const { data, options } = kinds[figure.dataset.chart](JSON.parse(figure.querySelector("script").textContent));
    drawn.get(figure)?.destroy();
    place.replaceChildren();
    drawn.set(figure, new uPlot({ width: place.clientWidth, height: Number(place.dataset.height), cursor: { drag: { x: true, y: false } }, ...options }, data, place));
  };
  const all = () => document.querySelectorAll("figure.chart").forEach(draw);
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const [figure, plot] of drawn) plot.setSize({ width: figure.querySelector(".plot").clientWidth, height: plot.height });
  });
})();
