// What each broker was worth over time, in USDT.
(() => {
  const box = document.getElementById("equity");
  if (!box) return;
  const COLOURS = ["#00c27a", "#22a7f0", "#f5a623", "#b86bff", "#ff3d6e"];
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

  fetch(box.dataset.url).then((response) => response.json()).then(({ lines }) => {
    if (!lines.length) box.textContent = "Nothing yet: equity is written down each time balances are read.";
    lines.forEach(({ name, points }, index) => {
      chart.addSeries(charts.LineSeries, { color: COLOURS[index % COLOURS.length], lineWidth: 2, title: name }).setData(points);
    });
    chart.timeScale().fitContent();
  });
})();
