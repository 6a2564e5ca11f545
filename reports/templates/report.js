// Reads one second of the run under the pointer. The page is whole without it.
(() => {
  const source = document.getElementById("samples");
  const out = document.getElementById("readout");
  if (!source || !out) return;
  const data = JSON.parse(source.textContent);
  if (!data.rows || !data.rows.length) return;
  out.hidden = false;
  const show = row => {
    out.textContent = "";
    const part = (name, text) => {
      const span = document.createElement("span");
      const value = document.createElement("b");
      value.textContent = text;
      span.append(name ? name + " " : "", value);
      out.append(span, " ");
    };
    part("", (row[1] ? row[1] + " · " : "") + row[0] + " s");
    data.names.forEach((name, i) => part(name, row[i + 2] === null ? "-" : row[i + 2]));
  };
  for (const chart of document.querySelectorAll("svg.timeline")) {
    const left = +chart.dataset.left, right = +chart.dataset.right;
    const rule = document.createElementNS("http://www.w3.org/2000/svg", "line");
    rule.setAttribute("class", "pointer");
    rule.setAttribute("y1", 0);
    rule.setAttribute("y2", chart.dataset.foot);
    let at = -1;
    const go = i => {
      at = Math.max(0, Math.min(data.rows.length - 1, i));
      const x = left + (data.rows[at][0] - data.from) / (data.to - data.from) * (right - left);
      rule.setAttribute("x1", x);
      rule.setAttribute("x2", x);
      chart.append(rule);
      show(data.rows[at]);
    };
    chart.addEventListener("pointermove", e => {
      const box = chart.getBoundingClientRect();
      const x = (e.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
      const second = data.from + (x - left) / (right - left) * (data.to - data.from);
      let low = 0, high = data.rows.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (data.rows[middle][0] < second) low = middle + 1; else high = middle;
      }
      go(low);
    });
    chart.addEventListener("keydown", e => {
      const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10}[e.key];
      if (!step) return;
      e.preventDefault();
      go(at < 0 ? 0 : at + step);
    });
  }
})();
