// A backtest's charts: candles with what was bought and sold, and the equity over all of them.
(() => {
  const UP = "#00c27a", DOWN = "#ff3d6e", ODD = "#f5a623", SOFT = "#8a94a6";
  const LINES = ["#22a7f0", "#f5a623", "#b86bff", "#00c2b8", "#ff8a65", "#9ccc65"];
  const LOOKS = {
    buy: { position: "belowBar", shape: "arrowUp", color: UP },
    sell: { position: "aboveBar", shape: "arrowDown", color: DOWN },
    denied: { position: "aboveBar", shape: "square", color: ODD },
  };
  const charts = window.LightweightCharts;
  const isDark = () => document.documentElement.classList.contains("dark");

  const theme = () => ({
    layout: { background: { color: "transparent" }, textColor: isDark() ? "#c8ccd4" : "#333a45", attributionLogo: true },
    grid: { vertLines: { color: isDark() ? "#ffffff0d" : "#0000000d" }, horzLines: { color: isDark() ? "#ffffff0d" : "#0000000d" } },
  });

  function draw(box) {
    const chart = charts.createChart(box, {
      ...theme(), autoSize: true, rightPriceScale: { borderVisible: false },
      timeScale: { borderVisible: false, timeVisible: true },
    });
    new MutationObserver(() => chart.applyOptions(theme())).observe(document.documentElement, { attributeFilter: ["class"] });
    return chart;
  }

  function followCandles(section) {
    const box = section.querySelector("[data-url]");
    const earlier = document.getElementById("earlier"), later = document.getElementById("later");
    const chart = draw(box);
    const candles = chart.addSeries(charts.CandlestickSeries, { upColor: UP, downColor: DOWN, wickUpColor: UP, wickDownColor: DOWN, borderVisible: false });
    const markers = charts.createSeriesMarkers(candles, []);
    let lines = [];

    async function show(at) {
      const response = await fetch(at ? `${box.dataset.url}?at=${at}` : box.dataset.url);
      if (!response.ok) return;
      const data = await response.json();
      candles.setData(data.candles);
      const isCrowded = data.markers.length > 40;
      markers.setMarkers(data.markers.map(({ time, what, text }) => ({ time, text: isCrowded ? "" : text, ...LOOKS[what] })));
      for (const line of lines) chart.removeSeries(line);
      lines = data.indicators.map(({ name, pane, points }, index) => {
        const line = chart.addSeries(charts.LineSeries, { color: LINES[index % LINES.length], lineWidth: 1, title: name, priceLineVisible: false, lastValueVisible: false }, pane);
        line.setData(points);
        return line;
      });
      chart.timeScale().fitContent();
      earlier.disabled = data.earlier === null;
      later.disabled = data.later === null;
      earlier.onclick = () => show(data.earlier);
      later.onclick = () => show(data.later);
    }

    for (const link of document.querySelectorAll("[data-at]")) link.addEventListener("click", () => show(Math.floor(link.dataset.at / 1000)));
    show();
  }

  async function drawCurve(box) {
    const response = await fetch(box.dataset.url);
    if (!response.ok) return;
    const data = await response.json();
    const chart = draw(box);
    const line = (options, points, pane) => chart.addSeries(charts.LineSeries, { lineWidth: 2, priceLineVisible: false, ...options }, pane).setData(points);
    line({ color: SOFT, title: "hold" }, data.held, 0);
    line({ color: UP, title: "equity" }, data.equity, 0);
    chart.addSeries(charts.AreaSeries, { lineColor: DOWN, topColor: "transparent", bottomColor: `${DOWN}44`, lineWidth: 1, priceLineVisible: false }, 1).setData(data.drawdown);
    chart.panes()[1].setStretchFactor(0.4);
    chart.timeScale().fitContent();
  }

  const section = document.getElementById("candles"), curve = document.getElementById("curve");
  if (section) followCandles(section);
  if (curve) drawCurve(curve);
})();
