// The dashboard's chart: candles, volume, and an arrow at every fill of the activation.
(() => {
  const box = document.getElementById("chart");
  if (!box) return;
  const UP = "#00c27a", DOWN = "#ff3d6e";
  const charts = window.LightweightCharts;
  const isDark = () => document.documentElement.classList.contains("dark");

  const theme = () => ({
    layout: { background: { color: "transparent" }, textColor: isDark() ? "#c8ccd4" : "#333a45", attributionLogo: true },
    grid: { vertLines: { color: isDark() ? "#ffffff0d" : "#0000000d" }, horzLines: { color: isDark() ? "#ffffff0d" : "#0000000d" } },
  });
  const chart = charts.createChart(box, {
    ...theme(), autoSize: true, rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, rightOffset: 4 },
  });
  new MutationObserver(() => chart.applyOptions(theme())).observe(document.documentElement, { attributeFilter: ["class"] });

  const candles = chart.addSeries(charts.CandlestickSeries, { upColor: UP, downColor: DOWN, wickUpColor: UP, wickDownColor: DOWN, borderVisible: false });
  const volume = chart.addSeries(charts.HistogramSeries, { priceFormat: { type: "volume" }, priceScaleId: "" });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.85, bottom: 0 } });
  const markers = charts.createSeriesMarkers(candles, []);

  const marker = (fill) => fill.side === "buy"
    ? { time: fill.time, position: "belowBar", shape: "arrowUp", color: UP, text: `buy ${fill.price.toLocaleString("en")}` }
    : { time: fill.time, position: "aboveBar", shape: "arrowDown", color: DOWN, text: `sell ${fill.price.toLocaleString("en")}` };

  async function refresh() {
    if (document.hidden) return;
    const response = await fetch(box.dataset.url);
    if (!response.ok) return;
    const data = await response.json();
    candles.setData(data.candles);
    volume.setData(data.candles.map((c) => ({ time: c.time, value: c.volume, color: (c.close >= c.open ? UP : DOWN) + "55" })));
    markers.setMarkers(data.fills.map(marker));
  }
  refresh();
  setInterval(refresh, 2000);
})();
