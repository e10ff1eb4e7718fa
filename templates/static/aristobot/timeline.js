// The candles of an activation, marked where it bought, sold, was denied or failed.
(() => {
  const box = document.getElementById("timeline");
  if (!box) return;
  const UP = "#00c27a", DOWN = "#ff3d6e", ODD = "#f5a623";
  const LOOKS = {
    buy: { position: "belowBar", shape: "arrowUp", color: UP },
    sell: { position: "aboveBar", shape: "arrowDown", color: DOWN },
    denied: { position: "aboveBar", shape: "square", color: ODD },
    failed: { position: "aboveBar", shape: "circle", color: DOWN },
    unasked: { position: "aboveBar", shape: "circle", color: ODD },
  };
  const charts = window.LightweightCharts;
  const isDark = () => document.documentElement.classList.contains("dark");

  const theme = () => ({
    layout: { background: { color: "transparent" }, textColor: isDark() ? "#c8ccd4" : "#333a45", attributionLogo: true },
    grid: { vertLines: { color: isDark() ? "#ffffff0d" : "#0000000d" }, horzLines: { color: isDark() ? "#ffffff0d" : "#0000000d" } },
  });
  const chart = charts.createChart(box, {
    ...theme(), autoSize: true, rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true },
  });
  new MutationObserver(() => chart.applyOptions(theme())).observe(document.documentElement, { attributeFilter: ["class"] });
  const candles = chart.addSeries(charts.CandlestickSeries, { upColor: UP, downColor: DOWN, wickUpColor: UP, wickDownColor: DOWN, borderVisible: false });

  fetch(box.dataset.url).then((response) => response.json()).then((data) => {
    if (!data.candles.length) box.textContent = "No candle is stored of that time.";
    candles.setData(data.candles);
    charts.createSeriesMarkers(candles, data.markers.map(({ time, what }) => ({ time, text: what, ...LOOKS[what] })));
    chart.timeScale().fitContent();
  });
})();
